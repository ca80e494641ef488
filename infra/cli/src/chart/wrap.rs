//! Breaking a line into several, in display columns: an East Asian wide character takes two.
//!
//! Words of alphabetic scripts and of katakana stay whole where they fit; between other Japanese
//! characters a line may break, except before closing marks and small kana and after opening
//! brackets (kinsoku).

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// What may not begin a line.
const NOT_FIRST: &str = "、。，．・：；？！!?,.:;)）」』】〕］}｝〉》”’…‥ーぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ々ゝゞ％%";
/// What may not end a line.
const NOT_LAST: &str = "(（「『【〔［{｛〈《“‘";

/// Columns that a text takes in a terminal.
pub fn width(text: &str) -> usize {
    text.graphemes(true).map(UnicodeWidthStr::width).sum()
}

/// Lines of at most `columns` columns, as equal in length as the words allow, so that no line holds
/// one lone character. Nothing is lost but the spaces at the breaks. An empty text has no lines.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(2);
    let letters = even(&pieces(text, columns, Grain::Letters), columns);
    let phrases = pieces(text, usize::MAX, Grain::Phrases);
    if phrases.iter().any(|phrase| width(&phrase.text) > columns) {
        return letters;
    }
    let phrases = even(&phrases, columns);
    // A phrase kept whole is worth one line more, not two.
    if phrases.len() <= letters.len() + 1 { phrases } else { letters }
}

/// Fills lines and then narrows them as far as they stay as few.
fn even(pieces: &[Piece], columns: usize) -> Vec<String> {
    let greedy = fill(pieces, columns);
    let widest = pieces.iter().map(|piece| width(&piece.text)).max().unwrap_or(0);
    (widest..columns)
        .map(|narrower| fill(pieces, narrower))
        .find(|lines| lines.len() == greedy.len())
        .unwrap_or(greedy)
}

/// How finely Japanese text may be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grain {
    /// Before a kanji, a katakana or a Latin word that follows hiragana: about where a phrase ends.
    Phrases,
    /// Anywhere but inside words of katakana or Latin letters.
    Letters,
}

/// What is not to be broken, with whether a space stands before it.
#[derive(Debug)]
struct Piece {
    text: String,
    spaced: bool,
}

/// Puts as much on each line as fits.
fn fill(pieces: &[Piece], columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for piece in pieces {
        let space = usize::from(piece.spaced);
        match lines.last_mut() {
            Some(line) if width(line) + space + width(&piece.text) <= columns => {
                if piece.spaced {
                    line.push(' ');
                }
                line.push_str(&piece.text);
            }
            _ => lines.push(piece.text.clone()),
        }
    }
    lines
}

/// Splits a text into what is to stay together. No piece is wider than `columns`.
fn pieces(text: &str, columns: usize, grain: Grain) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::new();
    let mut spaced = false;
    let mut before: Option<&str> = None;
    for grapheme in text.graphemes(true) {
        if grapheme == " " {
            (spaced, before) = (!out.is_empty(), None);
            continue;
        }
        match out.last_mut() {
            Some(piece)
                if !spaced
                    && before.is_some_and(|before| sticks(before, grapheme, grain))
                    && width(&piece.text) + width(grapheme) <= columns =>
            {
                piece.text.push_str(grapheme);
            }
            _ => out.push(Piece { text: grapheme.to_owned(), spaced }),
        }
        (spaced, before) = (false, Some(grapheme));
    }
    out
}

/// Whether no line may break between two neighbours.
fn sticks(before: &str, after: &str, grain: Grain) -> bool {
    let both = |is: fn(&str) -> bool| is(before) && is(after);
    let always = NOT_FIRST.contains(after)
        || NOT_LAST.contains(before)
        || both(is_narrow)
        || both(is_katakana);
    always
        || (grain == Grain::Phrases
            && !NOT_FIRST.contains(before)
            && (is_hiragana(after) || both(is_kanji)))
}

fn is_narrow(grapheme: &str) -> bool {
    UnicodeWidthStr::width(grapheme) <= 1
}

fn is_katakana(grapheme: &str) -> bool {
    grapheme.chars().all(|c| matches!(c, '\u{30a0}'..='\u{30ff}'))
}

fn is_hiragana(grapheme: &str) -> bool {
    grapheme.chars().all(|c| matches!(c, '\u{3040}'..='\u{309f}'))
}

fn is_kanji(grapheme: &str) -> bool {
    grapheme.chars().all(|c| matches!(c, '々' | '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn japanese_breaks_between_characters_and_words_of_katakana_stay_whole() {
        assert_eq!(
            wrap("TypeScriptのエキスパートになる", 20),
            ["TypeScriptの", "エキスパートになる"]
        );
    }

    #[test]
    fn japanese_breaks_between_phrases_where_they_fit() {
        assert_eq!(wrap("毎日の学習習慣", 11), ["毎日の", "学習習慣"]);
        assert_eq!(wrap("時間と環境の確保", 11), ["時間と", "環境の確保"]);
    }

    #[test]
    fn english_breaks_between_words() {
        assert_eq!(
            wrap("Run a full marathon in under 4 hours", 14),
            ["Run a full", "marathon in", "under 4 hours"]
        );
    }

    #[test]
    fn lines_are_of_like_length() {
        assert_eq!(wrap("一二三四五六七", 12), ["一二三四", "五六七"]);
    }

    #[test]
    fn no_line_begins_with_a_closing_mark_or_ends_with_an_opening_one() {
        for columns in 4..30 {
            for line in wrap("目標は「毎日三十分、英語を話すこと」です。続けます。", columns)
            {
                assert!(
                    !line.starts_with(['、', '。', '」']) && !line.ends_with('「'),
                    "{columns}: {line}"
                );
            }
        }
    }

    #[test]
    fn no_line_is_too_wide_and_nothing_is_lost() {
        let bare = |text: &str| text.replace(' ', "");
        for text in [
            "Supercalifragilisticexpialidocious word",
            "👩‍👩‍👧‍👦家族🎉と e\u{301}tude",
            "。。。。。。。。。。",
            "「「「「「「「「",
            "カタカナノナガイコトバガツヅク",
            "a b c d e",
        ] {
            for columns in 2..40 {
                let lines = wrap(text, columns);
                assert!(lines.iter().all(|line| width(line) <= columns), "{columns}: {lines:?}");
                assert_eq!(bare(&lines.concat()), bare(text), "{columns}");
            }
        }
        assert!(wrap("", 10).is_empty());
    }
}
