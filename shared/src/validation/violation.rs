//! What is wrong with one field, and the sentence that tells a person.

use crate::language::Language;

/// Characters of a client's own name that are sent back.
const MAX_NAME: usize = 64;

/// One field that breaks one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field, such as `params.title` or `subGoals[3].title`; `body` for the whole.
    pub field: String,
    /// The rule.
    pub rule: Rule,
}

/// The rules a field can break. Lengths are Unicode characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// It is missing.
    Required,
    /// It has another JSON type.
    Type {
        /// The type it must have.
        expected: &'static str,
    },
    /// It has fewer or more characters than allowed.
    Length {
        /// At least.
        min: usize,
        /// At most.
        max: usize,
        /// It has.
        actual: usize,
    },
    /// It has fewer or more items than allowed.
    Count {
        /// At least.
        min: usize,
        /// At most.
        max: usize,
        /// It has.
        actual: usize,
    },
    /// It is below or above the allowed range.
    Range {
        /// At least.
        min: i64,
        /// At most.
        max: i64,
        /// It is.
        actual: i64,
    },
    /// Nothing of it is visible.
    Blank,
    /// It holds a control character that no text needs.
    ControlCharacter,
    /// It holds characters that hide or turn around what is read: direction controls, tag
    /// characters, variation selectors in a row.
    HiddenFormat,
    /// It is not a UUID.
    Uuid,
    /// It is not an RFC 3339 time.
    Time,
    /// It is a time that has passed.
    Past,
    /// It is none of the allowed values.
    OneOf {
        /// The allowed values.
        allowed: &'static [&'static str],
    },
    /// At least one of some fields must be there.
    AtLeastOneOf {
        /// The fields.
        fields: &'static str,
    },
    /// Exactly one of some fields must be there.
    ExactlyOneOf {
        /// The fields.
        fields: &'static str,
    },
    /// There is no such field.
    Unknown {
        /// The fields that there are.
        known: String,
    },
    /// So many further violations there are.
    More {
        /// How many.
        count: usize,
    },
    /// It repeats another item's value.
    Duplicate,
    /// A model's answer stops in the middle, at its limit of tokens.
    Truncated,
    /// A model answered without calling the tool.
    NoToolCall,
    /// A model called a tool that is none of ours.
    OtherTool,
    /// A model called the tool more than once, or another one too.
    SeveralToolCalls {
        /// How many calls there are.
        actual: usize,
    },
    /// A model's answer did not come to its proper end.
    Unfinished {
        /// The stop reason in Bedrock's words.
        stop_reason: String,
    },
    /// A model gave another kind of value than the one that is wanted.
    Kind {
        /// The kind it must have.
        expected: &'static str,
        /// The kind it has.
        actual: &'static str,
    },
    /// A model's repair lacks the item that stands at this place, or has it twice.
    NotRepaired,
    /// It shows escapes, such as `\u82f1`, in the place of letters.
    Escapes,
    /// It holds the markup of a tool call.
    ToolMarkup,
    /// The body is larger than allowed.
    Size {
        /// At most, in bytes.
        max: usize,
        /// It has, in bytes.
        actual: usize,
    },
    /// The body is not text in UTF-8.
    Utf8,
    /// The body is said to be something else than JSON.
    ContentType,
    /// It is neither a date nor an RFC 3339 time.
    Day,
    /// It ends before it begins.
    Before {
        /// The field with the beginning.
        start: &'static str,
    },
    /// It cannot be given together with another field.
    NotWith {
        /// That field.
        other: &'static str,
    },
    /// It is not a cursor that we gave out.
    Cursor,
    /// It must be printable ASCII characters, so many of them.
    Printable {
        /// At most.
        max: usize,
    },
    /// There is no such path.
    NoSuchPath,
    /// The path does not take this method.
    Method {
        /// Those that it takes.
        allowed: String,
    },
    /// The budget of tokens does not allow it.
    Budget {
        /// Tokens that are left today.
        left: i64,
        /// Tokens that the request is planned to use.
        planned: i64,
    },
    /// What ended the process would end it again.
    NotRetryable {
        /// The error code that it ended with.
        code: &'static str,
    },
    /// The text is not JSON.
    Json {
        /// Where it stops being JSON.
        line: usize,
        /// Column, in bytes.
        column: usize,
    },
}

impl Rule {
    /// The violations that it stands for without naming them.
    #[must_use]
    pub const fn more(&self) -> usize {
        match self {
            Self::More { count } => *count,
            _ => 0,
        }
    }
}

impl Violation {
    /// A violation of `rule` at `field`.
    pub fn new(field: impl Into<String>, rule: Rule) -> Self {
        Self { field: field.into(), rule }
    }

    /// `name` is no field of the object at `path`, whose fields are `known`. A long name is cut: it
    /// is the client's, and need not be sent back whole.
    #[must_use]
    pub fn unknown(path: &str, name: &str, known: &str) -> Self {
        let mut field = if path.is_empty() { String::new() } else { format!("{path}.") };
        field.extend(name.chars().take(MAX_NAME));
        if name.chars().nth(MAX_NAME).is_some() {
            field.push('…');
        }
        Self::new(field, Rule::Unknown { known: known.to_owned() })
    }

    /// `count` violations that are not named.
    #[must_use]
    pub fn more(count: usize) -> Self {
        Self::new("details", Rule::More { count })
    }

    /// Whether the same request may have been right before: time alone has made it wrong.
    #[must_use]
    pub const fn is_by_time(&self) -> bool {
        matches!(self.rule, Rule::Past)
    }

    /// What is wrong and what would be right, in one sentence.
    #[must_use]
    pub fn message(&self, language: Language) -> String {
        match language {
            Language::Japanese => self.japanese(),
            Language::English => self.english(),
        }
    }

    fn japanese(&self) -> String {
        match &self.rule {
            Rule::Required => "必須です。".into(),
            Rule::Type { expected } => format!("{expected} で指定してください。"),
            Rule::Length { min, max, actual } => format!("{min}〜{max}文字で入力してください(現在{actual}文字)。"),
            Rule::Count { min, max, actual } => format!("{min}〜{max}件にしてください(現在{actual}件)。"),
            Rule::Range { min, max, actual } => format!("{min}〜{max}の範囲で指定してください(現在{actual})。"),
            Rule::Blank => "目に見える文字を1文字以上入力してください。".into(),
            Rule::ControlCharacter => "制御文字は使えません。".into(),
            Rule::HiddenFormat => "書字方向の制御文字、タグ文字、連続した異体字セレクターは使えません。".into(),
            Rule::Uuid => "UUIDの形式で指定してください。".into(),
            Rule::Time => "RFC 3339 形式の日時で指定してください(例: 2030-01-01T00:00:00Z)。".into(),
            Rule::Past => "未来の日時を指定してください。".into(),
            Rule::OneOf { allowed } => {
                format!("次のいずれかを指定してください: {}。", allowed.join(", "))
            }
            Rule::AtLeastOneOf { fields } => format!("次のうち1つ以上を指定してください: {fields}。"),
            Rule::ExactlyOneOf { fields } => format!("次のうち1つだけを指定してください: {fields}。"),
            Rule::Unknown { known } => format!("この項目はありません。使える項目: {known}。"),
            Rule::More { count } => format!("このほかに{count}件の誤りがあります。"),
            Rule::Duplicate => "ほかの項目と重複しています。".into(),
            Rule::Truncated => "回答が途中で切れています。より短くまとめてください。".into(),
            Rule::NoToolCall => "ツールが呼び出されていません。".into(),
            Rule::OtherTool => "指定されたツール以外は呼び出せません。".into(),
            Rule::SeveralToolCalls { actual } => {
                format!("ツールの呼び出しは1回だけにして、すべての項目をその中に入れてください(現在{actual}回)。")
            }
            Rule::Unfinished { stop_reason } => {
                format!("回答が正常に終わっていません({stop_reason})。もう一度回答してください。")
            }
            Rule::Kind { expected, actual } => {
                format!("{expected} で指定してください(現在は {actual})。")
            }
            Rule::NotRepaired => "この項目を1件だけ書き直してください。".into(),
            Rule::Escapes => {
                "文字は \\uXXXX のようなエスケープではなく、そのままの文字で書いてください。".into()
            }
            Rule::ToolMarkup => {
                "ツール呼び出しのタグを含めず、本文だけを書いてください。".into()
            }
            Rule::Size { max, actual } => format!("{max}バイト以内にしてください(現在{actual}バイト)。"),
            Rule::Utf8 => "UTF-8の文字列ではありません。".into(),
            Rule::ContentType => "application/json で送ってください。".into(),
            Rule::Day => "日付(例: 2030-01-01)または RFC 3339 形式の日時(例: 2030-01-01T00:00:00Z)で指定してください。".into(),
            Rule::Before { start } => format!("{start} 以降を指定してください。"),
            Rule::NotWith { other } => format!("{other} と同時には指定できません。"),
            Rule::Cursor => "前回の応答の nextCursor をそのまま指定してください。".into(),
            Rule::Printable { max } => format!("印字可能な ASCII 文字1〜{max}文字で指定してください。"),
            Rule::NoSuchPath => "このパスはありません。".into(),
            Rule::Method { allowed } => format!("このパスで使えるメソッドは {allowed} です。"),
            Rule::Budget { left, planned } => {
                format!("本日の残りは{left}トークンで、この生成には約{planned}トークンが必要です。")
            }
            Rule::NotRetryable { code } => {
                format!("{code} は再試行しても解決しません。原因を取り除いてから、新しく生成してください。")
            }
            Rule::Json { line, column } => format!("JSONとして読めません({line}行{column}列)。"),
        }
    }

    fn english(&self) -> String {
        match &self.rule {
            Rule::Required => "is required".into(),
            Rule::Type { expected } => format!("must be a {expected}"),
            Rule::Length { min, max, actual } => format!("must have {min} to {max} characters, has {actual}"),
            Rule::Count { min, max, actual } => format!("must have {min} to {max} items, has {actual}"),
            Rule::Range { min, max, actual } => format!("must be from {min} to {max}, is {actual}"),
            Rule::Blank => "must not be blank: nothing of it is visible".into(),
            Rule::ControlCharacter => "must not contain control characters".into(),
            Rule::HiddenFormat => "must not contain direction controls, tag characters or variation selectors in a row".into(),
            Rule::Uuid => "must be a UUID".into(),
            Rule::Time => "must be an RFC 3339 time, such as 2030-01-01T00:00:00Z".into(),
            Rule::Past => "must lie in the future".into(),
            Rule::OneOf { allowed } => format!("must be one of {}", allowed.join(", ")),
            Rule::AtLeastOneOf { fields } => format!("Give at least one of {fields}."),
            Rule::ExactlyOneOf { fields } => format!("give exactly one of {fields}"),
            Rule::Unknown { known } => format!("is not a known field; known are {known}"),
            Rule::More { count } => format!("and {count} more"),
            Rule::Duplicate => "repeats another item".into(),
            Rule::Truncated => "was cut off; make it shorter".into(),
            Rule::NoToolCall => "does not call the tool".into(),
            Rule::OtherTool => "calls a tool that there is not".into(),
            Rule::SeveralToolCalls { actual } => format!("must be one call of the tool, has {actual}"),
            Rule::Unfinished { stop_reason } => format!("did not come to its end ({stop_reason})"),
            Rule::Kind { expected, actual } => format!("must be a {expected}, is a {actual}"),
            Rule::NotRepaired => "must be written anew exactly once".into(),
            Rule::Escapes => "must hold letters, not their escapes such as \\uXXXX".into(),
            Rule::ToolMarkup => "must not hold the markup of a tool call".into(),
            Rule::Size { max, actual } => format!("must have at most {max} bytes, has {actual}"),
            Rule::Utf8 => "is not UTF-8".into(),
            Rule::ContentType => "must be application/json".into(),
            Rule::Day => "must be a date, such as 2030-01-01, or an RFC 3339 time, such as 2030-01-01T00:00:00Z".into(),
            Rule::Before { start } => format!("must not lie before {start}"),
            Rule::NotWith { other } => format!("cannot be given together with {other}"),
            Rule::Cursor => "must be the nextCursor of an earlier answer".into(),
            Rule::Printable { max } => format!("must be 1 to {max} printable ASCII characters"),
            Rule::NoSuchPath => "there is no such path".into(),
            Rule::Method { allowed } => format!("this path takes {allowed}"),
            Rule::Budget { left, planned } => {
                format!("{left} tokens are left today, and this needs about {planned}.")
            }
            Rule::NotRetryable { code } => format!("{code} would end the retry too; remove its cause and submit a new generation"),
            Rule::Json { line, column } => format!("is not JSON (line {line}, column {column})"),
        }
    }
}
