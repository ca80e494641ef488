//! Reads which paths and which words a Rust file holds. It reads tokens, so that comments and
//! strings are never taken for code, and what stands in a macro is never missed.

use std::collections::BTreeSet;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// What the code of one file refers to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct References {
    /// The first segment of each path into its own crate, seen from the crate's root: `store` for
    /// `crate::store::Store`, and for `super::Store` in `store/find.rs`.
    pub own: BTreeSet<String>,
    /// The first segment of each other path: `sqlx` for `sqlx::query`.
    pub other: BTreeSet<String>,
}

/// The module that a file is, below its crate's root: `["store", "find"]` for `store/find.rs`.
pub fn module_of(path: &str) -> Vec<String> {
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    match path {
        "lib" | "main" => Vec::new(),
        path => path.split('/').map(str::to_owned).collect(),
    }
}

/// The tokens of `source`, without doc comments.
pub fn tokens(source: &str) -> Vec<TokenTree> {
    let stream: TokenStream = source.parse().unwrap();
    without_attributes(stream, &|name, _| name == "doc")
}

/// The same without items that only tests compile.
pub fn tokens_without_tests(source: &str) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut tokens = tokens(source).into_iter();
    while let Some(token) = tokens.next() {
        if is_cfg_test(&token) {
            // The item ends with its body, or with a semicolon where it has none.
            let ends = |token: &TokenTree| match token {
                TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                token => is(token, ';'),
            };
            tokens.by_ref().find(ends);
        } else {
            kept.push(token);
        }
    }
    kept
}

fn is(token: &TokenTree, punct: char) -> bool {
    matches!(token, TokenTree::Punct(found) if found.as_char() == punct)
}

fn is_cfg_test(token: &TokenTree) -> bool {
    let text = |token: &TokenTree| token.to_string().replace(' ', "");
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket)
        && text(token) == "[cfg(test)]"
}

/// All of `stream` but the attributes that `drop` chooses by name and group, at every depth.
fn without_attributes(
    stream: TokenStream,
    drop: &dyn Fn(&str, &TokenTree) -> bool,
) -> Vec<TokenTree> {
    let mut kept: Vec<TokenTree> = Vec::new();
    for token in stream {
        let TokenTree::Group(group) = &token else {
            kept.push(token);
            continue;
        };
        let after_hash = kept.iter().rev().find(|token| !is(token, '!'));
        let first = group.stream().into_iter().next().map(|name| name.to_string());
        if group.delimiter() == Delimiter::Bracket
            && after_hash.is_some_and(|token| is(token, '#'))
            && first.is_some_and(|name| drop(&name, &token))
        {
            while kept.pop().is_some_and(|token| !is(&token, '#')) {}
            continue;
        }
        let inner = without_attributes(group.stream(), drop).into_iter().collect();
        let mut inner = proc_macro2::Group::new(group.delimiter(), inner);
        inner.set_span(group.span());
        kept.push(inner.into());
    }
    kept
}

/// What `tokens` refer to, as code of the module `module`.
pub fn references(tokens: &[TokenTree], module: &[String]) -> References {
    let mut found = References::default();
    read(tokens, module, &mut found);
    found
}

fn ident(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    }
}

/// Whether `::` stands at `at`.
fn colons(tokens: &[TokenTree], at: usize) -> bool {
    tokens.get(at).is_some_and(|token| is(token, ':'))
        && tokens.get(at + 1).is_some_and(|token| is(token, ':'))
}

fn read(tokens: &[TokenTree], module: &[String], found: &mut References) {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token {
            TokenTree::Group(group) => {
                let named = ident(at.checked_sub(1).and_then(|at| tokens.get(at)));
                let keyword = ident(at.checked_sub(2).and_then(|at| tokens.get(at)));
                let mut inner = module.to_vec();
                if keyword.as_deref() == Some("mod") {
                    inner.extend(named);
                }
                read(&group.stream().into_iter().collect::<Vec<_>>(), &inner, found);
            }
            TokenTree::Ident(name) if at < 2 || !colons(tokens, at - 2) => {
                let used = at > 0 && ident(tokens.get(at - 1)).as_deref() == Some("use");
                if colons(tokens, at + 1) {
                    at = path(tokens, at, module, found);
                    continue;
                } else if used {
                    found.other.insert(name.to_string());
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// Notes the path that begins at `at`, and says where to read on.
fn path(tokens: &[TokenTree], mut at: usize, module: &[String], found: &mut References) -> usize {
    let mut base = match ident(tokens.get(at)).as_deref() {
        Some("crate") => Vec::new(),
        Some("self") => module.to_vec(),
        Some("super") => module[..module.len().saturating_sub(1)].to_vec(),
        Some(name) => {
            found.other.insert(name.to_owned());
            return at + 3;
        }
        None => return at + 1,
    };
    at += 3;
    while ident(tokens.get(at)).as_deref() == Some("super") {
        base.pop();
        at += 3;
    }
    match (base.first(), tokens.get(at)) {
        (Some(first), _) => {
            found.own.insert(first.clone());
        }
        (None, Some(TokenTree::Group(group))) => {
            let list: Vec<TokenTree> = group.stream().into_iter().collect();
            let heads = list.split(|token| is(token, ',')).filter_map(|part| ident(part.first()));
            found.own.extend(heads);
        }
        (None, Some(token)) => {
            found.own.insert(token.to_string());
        }
        (None, None) => {}
    }
    at + 1
}

/// Every identifier and every literal of `tokens`.
pub fn words(tokens: &[TokenTree]) -> (Vec<String>, Vec<String>) {
    let (mut idents, mut literals) = (Vec::new(), Vec::new());
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => idents.push(ident.to_string()),
            TokenTree::Literal(literal) => literals.push(literal.to_string()),
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let (more_idents, more_literals) = words(&inner);
                idents.extend(more_idents);
                literals.extend(more_literals);
            }
            TokenTree::Punct(_) => {}
        }
    }
    (idents, literals)
}
