//! An answer of which some items broke rules: the others are kept, and a repair asks for the broken
//! ones only.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Level,
    answer::{take_index, title},
};
use crate::validation::{Rule, Violation};

/// The field by which an item of a repair says which place it is for.
pub(super) const INDEX: &str = "index";

/// The items of an answer by their place; nothing where one broke a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    items: Vec<Option<Value>>,
}

/// Items that stand open, with what is wrong with each.
type Open = Vec<(usize, Vec<Violation>)>;

impl Draft {
    /// `items` without the `broken` ones; nothing if none is left to keep.
    pub(super) fn new(items: Vec<Value>, broken: &[usize]) -> Option<Self> {
        let keep = |(index, item)| (!broken.contains(&index)).then_some(item);
        let items: Vec<Option<Value>> = items.into_iter().enumerate().map(keep).collect();
        items.iter().any(Option::is_some).then_some(Self { items })
    }

    /// The places that are to be written anew, from 0.
    #[must_use]
    pub fn open(&self) -> Vec<usize> {
        let items = self.items.iter().enumerate();
        items.filter(|(_, item)| item.is_none()).map(|(index, _)| index).collect()
    }

    /// The titles of the items that are kept.
    #[must_use]
    pub fn kept_titles(&self) -> Vec<String> {
        self.items.iter().flatten().map(title).collect()
    }

    /// All items with those of a repair in their places, the places that were kept, and those for
    /// which the repair has no item or several. A repair says by `index` which place an item is
    /// for; where one item is asked for and one is there, it cannot be for another. What a repair
    /// writes for a place that is kept is not needed, since what stands there is right.
    pub(super) fn merge(self, level: Level, repair: &[Value]) -> (Vec<Value>, Vec<usize>, Open) {
        let open = self.open();
        let only = match (open.as_slice(), repair.len()) {
            ([only], 1) => Some(*only),
            _ => None,
        };
        let mut written = BTreeMap::<usize, Vec<Value>>::new();
        for item in repair {
            let (index, item) = take_index(item);
            if let Some(index) = only.or(index) {
                written.entry(index).or_default().push(item);
            }
        }
        let (mut items, mut kept, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for (index, item) in self.items.into_iter().enumerate() {
            let mut candidates = written.remove(&index).unwrap_or_default();
            items.push(match item {
                Some(item) => {
                    kept.push(index);
                    item
                }
                None if candidates.len() == 1 => candidates.remove(0),
                None => {
                    let path = format!("{}[{index}]", level.field());
                    missing.push((index, vec![Violation::new(path, Rule::NotRepaired)]));
                    Value::Null
                }
            });
        }
        (items, kept, missing)
    }
}
