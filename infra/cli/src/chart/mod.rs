//! The Mandala chart as a picture: one goal in the middle, its sub-goals around it.
//!
//! This module knows titles and places only; where they come from is the caller's business.
//! [`terminal`] draws with box-drawing characters, [`svg`] makes a file for a browser or a slide,
//! [`wrap`] breaks lines for both.
//!
//! Sub-goals stand row by row around the middle, as in the paper form of the chart:
//!
//! ```text
//! 0 1 2
//! 3 ◎ 4
//! 5 6 7
//! ```

pub mod svg;
pub mod terminal;
pub mod whole;
mod wrap;

use serde::Serialize;

/// A goal with what surrounds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Chart {
    /// The goal's title.
    pub goal: String,
    /// By position; fewer than eight leave places empty.
    pub sub_goals: Vec<SubGoal>,
}

/// One of the eight around the goal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SubGoal {
    /// What stands in its field.
    pub title: String,
    /// The titles of its actions by position, placed around the sub-goal as sub-goals are around
    /// the goal. May be empty.
    pub actions: Vec<String>,
}

/// What stands in a place of a 3×3 block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Centre,
    Around(usize),
}

/// The 3×3 block, row by row. A block of actions around a sub-goal has the same order.
const BLOCK: [[Place; 3]; 3] = {
    use Place::{Around, Centre};
    [
        [Around(0), Around(1), Around(2)],
        [Around(3), Centre, Around(4)],
        [Around(5), Around(6), Around(7)],
    ]
};

/// A chart that every place of can be shown: exactly eight titles, each on one logical line.
struct Titles {
    goal: String,
    around: [String; 8],
}

impl Titles {
    fn of(chart: &Chart) -> Self {
        let around = std::array::from_fn(|position| {
            chart
                .sub_goals
                .get(position)
                .map(|sub_goal| one_line(&sub_goal.title))
                .unwrap_or_default()
        });
        Self { goal: one_line(&chart.goal), around }
    }

    fn at(&self, place: Place) -> &str {
        match place {
            Place::Centre => &self.goal,
            Place::Around(position) => &self.around[position],
        }
    }
}

/// Text as one line that moves nothing but itself: white space becomes single spaces; control
/// characters, which could steer a terminal or break an XML file, and marks that turn the writing
/// direction go.
fn one_line(text: &str) -> String {
    let steers = |c: char| {
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    let clean: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control() && !steers(*c))
        .collect();
    clean.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod samples {
    //! Charts that are hard to draw.

    use super::*;

    pub fn chart(goal: &str, titles: [&str; 8]) -> Chart {
        let sub_goals = titles
            .iter()
            .map(|title| SubGoal { title: (*title).to_owned(), actions: Vec::new() })
            .collect();
        Chart { goal: goal.to_owned(), sub_goals }
    }

    pub fn japanese() -> Chart {
        chart(
            "TypeScriptのエキスパートになる",
            [
                "TypeScriptの基礎知識",
                "毎日の学習習慣",
                "手本から学ぶ",
                "TypeScriptの成果物づくり",
                "弱点の克服",
                "体調とエネルギー管理",
                "仲間と相談相手づくり",
                "月ごとの振り返り",
            ],
        )
    }

    pub fn english() -> Chart {
        chart(
            "Run a full marathon in under 4 hours",
            [
                "Full marathon fundamentals",
                "Daily learning habit",
                "Learn from role models",
                "Fix the weak spots",
                "Health and energy",
                "Peers and mentors",
                "Time and environment",
                "Supercalifragilisticexpialidocious",
            ],
        )
    }

    pub fn awkward() -> Chart {
        chart(
            &"目標は二百文字まで許されるので、とても長い題名が来ても読めなければなりません。"
                .repeat(5),
            [
                "👩‍👩‍👧‍👦 家族との時間 🎉",
                "<script>alert(\"x\") & 'y'</script>",
                "ﾊﾝｶｸｶﾅの扱い",
                "e\u{301}tude à deux",
                "",
                "改行\nと\tタブ\u{7}",
                "一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十",
                "🇯🇵 日本語、English、混在。",
            ],
        )
    }

    pub fn all() -> [Chart; 3] {
        [japanese(), english(), awkward()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_holds_the_centre_and_every_position_once() {
        let mut around: Vec<usize> = BLOCK
            .iter()
            .flatten()
            .filter_map(|place| if let Place::Around(at) = place { Some(*at) } else { None })
            .collect();
        around.sort_unstable();
        assert_eq!((around, BLOCK[1][1]), ((0..8).collect(), Place::Centre));
    }

    #[test]
    fn one_line_keeps_what_is_readable_and_nothing_that_steers() {
        assert_eq!(one_line(" a\n\tb\u{1b}[31m\u{202e}c "), "a b[31mc");
        assert_eq!(one_line("👩‍👩‍👧 家族"), "👩‍👩‍👧 家族");
    }
}
