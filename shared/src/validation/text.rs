//! What a text says to the person who reads it, whatever its code points are: pure checks, for the
//! texts of requests and of models alike.
//!
//! The sets are those of the Unicode standard (`Default_Ignorable_Code_Point`, `Bidi_Control`,
//! line and paragraph separators), written out because no property is needed beyond them.

use unicode_normalization::UnicodeNormalization;

/// Whether nothing of `text` can be seen: white space, controls, and characters that leave no mark.
#[must_use]
pub fn is_invisible(text: &str) -> bool {
    !text.chars().any(is_visible)
}

fn is_visible(c: char) -> bool {
    const BRAILLE_BLANK: char = '\u{2800}';
    !(c.is_whitespace() || c.is_control() || leaves_no_mark(c) || c == BRAILLE_BLANK)
}

/// `Default_Ignorable_Code_Point`: joiners, fillers, variation selectors, tags and the like. Some
/// of them shape their neighbours (an emoji needs its joiner), so that they are not forbidden; but
/// alone they show nothing.
const fn leaves_no_mark(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Whether `text` breaks its line: also by the separators that are no control characters.
#[must_use]
pub fn breaks_line(text: &str) -> bool {
    text.chars()
        .any(|c| matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}'))
}

/// Whether `text` holds characters that change or hide what is read: direction controls, tag
/// characters outside the flags that are made of them, or variation selectors that stand in a row.
/// A model reads tags as letters, a person sees nothing.
///
/// Kept are joiners (emoji, Persian, Indic scripts), one variation selector after a character
/// (emoji, variants of kanji), and the flags of England, Scotland and Wales.
#[must_use]
pub fn misleads(text: &str) -> bool {
    let mut rest = text;
    let mut previous = None;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = after_flag(rest) {
            (rest, previous) = (after, None);
            continue;
        }
        let doubled = is_variation_selector(c) && previous.is_some_and(is_variation_selector);
        if is_direction_control(c) || is_tag(c) || doubled {
            return true;
        }
        previous = Some(c);
        rest = &rest[c.len_utf8()..];
    }
    false
}

/// What follows the flag of a part of the United Kingdom that `text` begins with: a black flag, the
/// part's code in tag characters, and the tag that ends it (Unicode Technical Standard 51).
fn after_flag(text: &str) -> Option<&str> {
    const FLAGS: [&str; 3] = [
        "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
        "\u{1f3f4}\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}",
        "\u{1f3f4}\u{e0067}\u{e0062}\u{e0077}\u{e006c}\u{e0073}\u{e007f}",
    ];
    FLAGS.iter().find_map(|flag| text.strip_prefix(flag))
}

/// Unicode's property `Bidi_Control`.
const fn is_direction_control(c: char) -> bool {
    matches!(c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

const fn is_tag(c: char) -> bool {
    matches!(c, '\u{e0000}'..='\u{e007f}')
}

const fn is_variation_selector(c: char) -> bool {
    matches!(c, '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{e0100}'..='\u{e01ef}')
}

/// `title` as people see it: compatible forms are one (`ﾃﾞ` and `デ`, `Ａ` and `a`), and what
/// cannot be seen does not count.
#[must_use]
pub fn as_seen(title: &str) -> String {
    let small = title.nfkc().flat_map(char::to_lowercase).collect::<String>();
    small.nfkc().filter(|c| is_visible(*c)).collect()
}

/// Whether `text` shows escapes in the place of its letters: a letter outside ASCII as `\u82f1` or
/// `\u{82f1}`, a run of such HTML references, or the mark of an undecodable byte. An escape of an
/// ASCII character is let through: people write about escapes too.
#[must_use]
pub fn shows_escapes(text: &str) -> bool {
    text.contains(char::REPLACEMENT_CHARACTER)
        || text
            .match_indices('\\')
            .any(|(at, _)| escaped_code(&text[at + 1..]).is_some_and(foreign))
        || has_reference_run(text)
}

const fn foreign(code: u32) -> bool {
    code > 0x7f
}

/// The number of an escape, after its backslash.
fn escaped_code(rest: &str) -> Option<u32> {
    let digits = match rest.strip_prefix('u') {
        Some(rest) => match rest.strip_prefix('{') {
            Some(braced) => braced.split_once('}')?.0,
            None => rest.get(..4)?,
        },
        None => rest.strip_prefix('U')?.get(..8)?,
    };
    let hexadecimal = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit());
    hexadecimal.then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

/// How many HTML references in a row are no example any more.
const REFERENCE_RUN: usize = 3;

fn has_reference_run(text: &str) -> bool {
    let mut run = 0;
    let mut rest = text;
    while let Some(at) = rest.find("&#") {
        let after = &rest[at + 2..];
        let code = after.split_once(';').and_then(|(code, _)| {
            code.strip_prefix(['x', 'X'])
                .map_or_else(|| code.parse().ok(), |hex| u32::from_str_radix(hex, 16).ok())
        });
        let follows = at == 0 && run > 0;
        rest = after;
        match code.filter(|code| foreign(*code)) {
            Some(_) => {
                run = if follows { run + 1 } else { 1 };
                rest = after.split_once(';').map_or(after, |(_, rest)| rest);
            }
            None => run = 0,
        }
        if run >= REFERENCE_RUN {
            return true;
        }
    }
    false
}

/// What only a tool call is written with, in small letters. No element of HTML is among them, so
/// that a goal about web pages can be written for.
const TOOL_MARKUP: &[&str] = &[
    "<antml",
    "</antml",
    "<parameter name=",
    "</parameter>",
    "<invoke name=",
    "</invoke>",
    "<function_calls>",
    "</function_calls>",
    "<function=",
    "<function_results>",
    "<tool_call>",
    "</tool_call>",
    "<tool_use>",
    "</tool_use>",
    "<tool_result>",
    "<|tool",
    "<|im_start|>",
    "<|im_end|>",
];

/// Whether `text` holds the markup of a tool call, which leaks out of models into what they write.
#[must_use]
pub fn shows_tool_markup(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    TOOL_MARKUP.iter().any(|mark| text.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    // world.md row 19.
    #[test]
    fn what_leaves_no_mark_is_not_a_text() {
        for text in [
            "",
            " \u{3000}\t",
            "\u{200b}",
            "\u{200b}\u{2060}\u{3164}\u{e0041}\u{202e}",
            "\u{feff}",
            "\u{2800}",
            "\u{ad}\u{fe0f}",
        ] {
            assert!(is_invisible(text), "{text:?}");
        }
        for text in ["a", "。", "👨\u{200d}👩\u{200d}👧", "\u{301}", "❤\u{fe0f}"] {
            assert!(!is_invisible(text), "{text:?}");
        }
    }

    #[test]
    fn every_line_separator_breaks_a_line() {
        for text in ["a\nb", "a\rb", "a\u{2028}b", "a\u{2029}b", "a\u{85}b", "a\u{b}b"] {
            assert!(breaks_line(text), "{text:?}");
        }
        assert!(!breaks_line("a\tb\u{200d}"));
    }

    // security.md S15.
    #[test]
    fn turned_passages_and_hidden_tags_mislead_and_a_flag_does_not() {
        for text in ["a\u{202e}b", "\u{2066}x\u{2069}", "a\u{e0041}", "🇯🇵\u{e0041}"] {
            assert!(misleads(text), "{text:?}");
        }
        let scotland = "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}";
        for text in [scotland, "👨\u{200d}👩", "שלום", "日本語"] {
            assert!(!misleads(text), "{text:?}");
        }
        assert!(misleads(&format!("{scotland}a\u{e0041}")));
    }

    #[test]
    fn titles_that_look_the_same_are_the_same() {
        for (one, other) in [
            ("英語を話す", "英語\u{200b}を話す"),
            ("データ", "ﾃﾞｰﾀ"),
            ("Rust を学ぶ", "ＲＵＳＴを学ぶ"),
            ("が", "か\u{3099}"),
            (" a b", "AB\u{3000}"),
            ("❤", "❤\u{fe0f}"),
        ] {
            assert_eq!(as_seen(one), as_seen(other), "{one:?} {other:?}");
        }
        for (one, other) in [("C", "C++"), ("かき", "がき"), ("一", "ー")] {
            assert_ne!(as_seen(one), as_seen(other), "{one:?} {other:?}");
        }
    }

    // world.md row 3.
    #[test]
    fn escapes_in_the_place_of_letters_are_seen() {
        for text in [
            "\\u82f1".repeat(12),
            "英\\u8a9e".into(),
            "\\ud83d\\ude00".into(),
            "\\u{82f1}".into(),
            "\\U0001F600".into(),
            "&#x82f1;&#x8a9e;&#12434;".into(),
            "文字\u{fffd}け".into(),
        ] {
            assert!(shows_escapes(&text), "{text}");
        }
        for text in [
            "C:\\users\\uma",
            "\\u0041 is A",
            "\\uXYZW",
            "\\u",
            "\\u{",
            "\\u12あ",
            "&#12354; は「あ」",
            "&#x82f1; &#x8a9e; &#12434;",
            "&amp;&#",
            "x\\",
        ] {
            assert!(!shows_escapes(text), "{text}");
        }
    }

    // world.md row 4.
    #[test]
    fn tool_markup_is_seen_and_html_is_not_taken_for_it() {
        for text in [
            "</antml parameter>\n<parameter name=\"x\">",
            "背景</parameter>",
            "<INVOKE NAME=\"write_tasks\">",
            "<function_calls>",
            "<tool_call>{}",
        ] {
            assert!(shows_tool_markup(text), "{text}");
        }
        for text in [
            "<p class=\"x\">HTML</p>",
            "<param name=\"movie\" value=\"x\">",
            "<form><input name=\"q\"></form>",
            "a < b && c > d",
            "<details><summary>",
            "<!-- --><a href=\"#\">",
            "Vec<Tool> を返す",
        ] {
            assert!(!shows_tool_markup(text), "{text}");
        }
    }

    #[test]
    fn what_hides_or_turns_around_is_found() {
        for text in [
            "a\u{202e}b",
            "\u{2066}a",
            "a\u{61c}",
            "a\u{200f}",
            "a\u{e0041}\u{e0042}",
            "🏴\u{e0067}\u{e0062}",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}\u{e0041}",
            "a\u{e0101}\u{e0102}",
        ] {
            assert!(misleads(text), "{text:?}");
        }
    }

    #[test]
    fn emoji_variants_of_kanji_and_other_scripts_are_kept() {
        for text in [
            "👨\u{200d}👩\u{200d}👧\u{200d}👦と❤\u{fe0f}",
            "🏴\u{e0067}\u{e0062}\u{e0073}\u{e0063}\u{e0074}\u{e007f}へ旅する",
            "葛\u{e0100}城",
            "می\u{200c}خواهم",
            "עברית والعربية",
            "ไทย\u{200b}ไทย",
        ] {
            assert!(!misleads(text) && !is_invisible(text), "{text:?}");
        }
    }
}
