//! What a title is about, in a few words that can be woven into other sentences: no grammar, only
//! the usual shapes of goals.

use super::prompt::Language;

/// The longest topic, in characters: what leaves room for the rest of a title of 30.
const LONGEST: usize = 20;

/// The topic of a title. Never empty, one line.
pub fn of(title: &str, language: Language) -> String {
    let title = title
        .split(|c: char| c.is_control() || c.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    let topic = match language {
        Language::Japanese => japanese(&title),
        Language::English => english(&title),
    };
    match (topic.is_empty(), language) {
        (false, _) => topic,
        (true, Language::Japanese) => "この目標".to_owned(),
        (true, Language::English) => "this goal".to_owned(),
    }
}

/// 「東京でカフェを開く」→「カフェ」, 「TypeScriptのエキスパートになる」→「TypeScript」.
fn japanese(title: &str) -> String {
    let sentence = title
        .split(['。', '、', '！', '？', '!', '?', '（', '(', '「'])
        .find(|part| !part.trim().is_empty())
        .unwrap_or_default()
        .trim();
    let topic = if let Some((object, _)) =
        sentence.split_once('を').filter(|(object, _)| !object.is_empty())
    {
        last_part(object, &["までに", "以内に", "で", "に"])
    } else {
        let ends = [
            "のエキスパート",
            "のスペシャリスト",
            "の専門家",
            "のプロ",
            "の達人",
            "マスター",
            "になる",
            "になりたい",
            "が",
            "に",
            "で",
        ];
        let end = ends
            .iter()
            .filter_map(|end| sentence.find(end))
            .filter(|at| sentence[..*at].chars().count() >= 2)
            .min();
        &sentence[..end.unwrap_or(sentence.len())]
    };
    topic.trim().chars().take(LONGEST).collect()
}

/// What stands behind the last of the separators, if that is more than one character.
fn last_part<'a>(text: &'a str, separators: &[&str]) -> &'a str {
    let starts = separators
        .iter()
        .filter_map(|separator| text.rfind(separator).map(|at| at + separator.len()));
    starts
        .filter(|start| text[*start..].chars().count() >= 2)
        .max()
        .map_or(text, |start| &text[start..])
}

/// "Run a full marathon in under 4 hours" → "full marathon", "Become a TypeScript expert" →
/// "TypeScript".
fn english(title: &str) -> String {
    const LEADING: &[&str] = &[
        "i", "want", "to", "how", "be", "become", "a", "an", "the", "my", "learn", "master", "get",
        "pass", "run", "build", "write", "improve", "start", "launch", "speak", "complete",
        "finish", "achieve", "earn", "read", "open", "fluent", "good", "better", "great", "in",
        "at", "for", "of",
    ];
    const STOPS: &[&str] = &[
        "in", "within", "by", "for", "before", "until", "with", "at", "from", "so", "and", "under",
        "on", "as",
    ];
    const TRAILING: &[&str] = &["expert", "professional", "master", "pro", "specialist"];
    let is = |list: &[&str], word: &str| list.contains(&word.to_lowercase().as_str());
    let sentence = title
        .split([',', '.', '!', '?', ';', ':'])
        .find(|part| !part.trim().is_empty())
        .unwrap_or_default();
    let mut words: Vec<&str> = sentence
        .split(' ')
        .filter(|word| !word.is_empty())
        .skip_while(|word| is(LEADING, word))
        .collect();
    if words.is_empty() {
        words = sentence.split(' ').filter(|word| !word.is_empty()).collect();
    }
    let end =
        words.iter().skip(1).position(|word| is(STOPS, word)).map_or(words.len(), |at| at + 1);
    words.truncate(end);
    while words.len() > 1 && words.last().is_some_and(|word| is(TRAILING, word)) {
        words.pop();
    }
    while words.len() > 1
        && words.iter().map(|word| word.chars().count() + 1).sum::<usize>() > LONGEST + 1
    {
        words.pop();
    }
    words.join(" ").chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn japanese_titles_give_their_object() {
        for (title, topic) in [
            ("TypeScriptのエキスパートになる", "TypeScript"),
            ("東京でカフェを開く", "カフェ"),
            ("フルマラソンを4時間以内に完走する", "フルマラソン"),
            ("1年以内に英語を話せるようになる", "英語"),
            ("TOEICで900点以上取る", "TOEIC"),
            ("日本一のラーメン屋になる", "日本一のラーメン屋"),
            ("早起き", "早起き"),
            ("。", "この目標"),
        ] {
            assert_eq!(of(title, Language::Japanese), topic, "{title}");
        }
    }

    #[test]
    fn english_titles_give_their_object() {
        for (title, topic) in [
            ("Become a TypeScript expert", "TypeScript"),
            ("Run a full marathon in under 4 hours", "full marathon"),
            ("Become fluent in Spanish", "Spanish"),
            ("Get better", "Get better"),
            ("", "this goal"),
        ] {
            assert_eq!(of(title, Language::English), topic, "{title}");
        }
    }

    #[test]
    fn a_topic_is_one_short_line() {
        let topic = of(&"長い目標\n".repeat(50), Language::Japanese);
        assert!(topic.chars().count() <= LONGEST && !topic.contains('\n'), "{topic}");
        assert!(of(&"word ".repeat(50), Language::English).chars().count() <= LONGEST);
    }
}
