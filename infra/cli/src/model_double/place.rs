//! What a schema says of one value, and where the value stands in the answer. Where the schema is
//! silent, the limits of the product hold for the properties it knows.

use serde_json::Value;

use super::{
    bank::{Entry, Kind},
    chance::mix,
    prompt::fnv1a,
};

/// The inclusive size of an array: what the schema says, or else what the product asks of a
/// property of that name.
pub fn array_bounds(schema: &Value, property: &str) -> (usize, usize) {
    let (least, most) = match kind_of(property) {
        Some(Kind::SubGoal | Kind::Action) => (8, 8),
        Some(Kind::Task) => (1, 8),
        None => (1, 3),
    };
    match (size(schema, "minItems"), size(schema, "maxItems")) {
        (None, None) => (least, most),
        (Some(min), None) => (min, most.max(min)),
        (None, Some(max)) => (least.min(max), max),
        (Some(min), Some(max)) => (min, max.max(min)),
    }
}

/// What the items of an array of that name are.
pub fn kind_of(property: &str) -> Option<Kind> {
    match normal(property).as_str() {
        "subgoals" => Some(Kind::SubGoal),
        "actions" => Some(Kind::Action),
        "tasks" => Some(Kind::Task),
        _ => None,
    }
}

/// `estimatedMinutes` and `estimated_minutes` are one name.
pub fn normal(property: &str) -> String {
    property.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// A keyword of the schema that is a size or a length.
pub fn size(schema: &Value, key: &str) -> Option<usize> {
    schema.get(key).and_then(Value::as_u64).and_then(|size| usize::try_from(size).ok())
}

/// Where in the answer a value stands.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place<'a> {
    /// Its name.
    pub property: &'a str,
    /// What the bank has for the item that it belongs to.
    pub item: Option<(Kind, &'static Entry)>,
    /// Place in the nearest array, from 0.
    pub index: usize,
    /// How often the bank has been used up before this item; later rounds are numbered to stay
    /// unique.
    pub round: usize,
    /// Whether it belongs to an item of an array.
    pub in_item: bool,
    /// Names and indexes on the way here, as one number.
    pub path: u64,
}

impl<'a> Place<'a> {
    /// The place of a property of this value.
    pub fn property(self, property: &'a str) -> Self {
        Self { property, path: mix(self.path, fnv1a(property.as_bytes())), ..self }
    }
}

/// One of the choices: what the bank says of the item, or else by turns.
pub fn choose(choices: &[Value], place: Place<'_>) -> Value {
    let nature = place.item.map(|(_, entry)| Value::from(entry.nature));
    match nature.filter(|nature| choices.contains(nature)) {
        Some(nature) => nature,
        None => choices[place.index % choices.len()].clone(),
    }
}

/// A whole number in the schema's range: the bank's minutes where that is what is asked for.
pub fn integer(schema: &Value, place: Place<'_>) -> i64 {
    let bound =
        |key: &str, off: i64| schema.get(key).and_then(Value::as_i64).map(|value| value + off);
    let minutes = normal(place.property) == "estimatedminutes";
    let min = bound("minimum", 0).or_else(|| bound("exclusiveMinimum", 1)).unwrap_or(if minutes {
        15
    } else {
        1
    });
    let max = bound("maximum", 0).or_else(|| bound("exclusiveMaximum", -1)).unwrap_or(if minutes {
        120
    } else {
        min.saturating_add(99)
    });
    let wanted = match place.item {
        Some((_, entry)) if minutes => entry.minutes,
        _ => min.saturating_add(i64::try_from(place.index).unwrap_or(0)),
    };
    let wanted = wanted.clamp(min, max.max(min));
    match schema.get("multipleOf").and_then(Value::as_i64) {
        Some(step) if step > 0 && wanted - wanted.rem_euclid(step) >= min => {
            wanted - wanted.rem_euclid(step)
        }
        Some(step) if step > 0 => min + (step - min.rem_euclid(step)) % step,
        _ => wanted,
    }
}

/// The type, or the first that is not null, or what the keywords tell.
pub fn type_of(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(name)) => name,
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).find(|name| *name != "null").unwrap_or("null")
        }
        _ if schema.get("properties").is_some() => "object",
        _ if schema.get("items").is_some() => "array",
        _ => "string",
    }
}

/// The product's own lengths, where the schema gives none.
pub fn usual_lengths(place: Place<'_>) -> Option<(usize, usize)> {
    match (place.item.map(|(kind, _)| kind), normal(place.property).as_str()) {
        (Some(Kind::Task), "title") => Some((1, 50)),
        (_, "title") => Some((1, 30)),
        (Some(Kind::Task), "description") => Some((1, 200)),
        (_, "description") => Some((50, 200)),
        (_, "background") => Some((1, 100)),
        _ => None,
    }
}
