//! The words of a filter.

/// A word, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    pub(super) start: usize,
}

/// What a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, parts of it perhaps in backticks or double quotes; or a key word.
    Name,
    /// A number.
    Number,
    /// A text in single quotes.
    Text,
    /// A comparison.
    Operator,
    /// `(`, `)`, `,`, `;` or a sign that means nothing.
    Sign,
}

impl Token<'_> {
    /// Whether it is the key word, in any case.
    pub(super) fn is_word(&self, word: &str) -> bool {
        self.kind == Kind::Name && self.text.eq_ignore_ascii_case(word)
    }

    pub(super) fn is_sign(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.text == sign
    }

    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// All words of `text`; the place of a quote that nothing closes is the error.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, usize> {
    let mut tokens = Vec::new();
    let mut start = 0;
    while let Some(first) = text[start..].chars().next() {
        if first.is_whitespace() {
            start += first.len_utf8();
            continue;
        }
        let rest = &text[start..];
        let (kind, length) = word(rest).ok_or(start)?;
        tokens.push(Token { kind, text: &rest[..length], start });
        start += length;
    }
    Ok(tokens)
}

/// Kind and length of the word at the beginning of `rest`, which does not begin with a space.
fn word(rest: &str) -> Option<(Kind, usize)> {
    let first = rest.chars().next()?;
    if let Some(length) = number(rest) {
        return Some((Kind::Number, length));
    }
    match first {
        '\'' => closed(rest, '\'').map(|length| (Kind::Text, length)),
        '=' | '!' | '<' | '>' => {
            let length = rest.find(|letter| !matches!(letter, '=' | '!' | '<' | '>')).unwrap_or(rest.len());
            Some((Kind::Operator, length))
        }
        letter if is_name(letter) || matches!(letter, '`' | '"') => name(rest).map(|length| (Kind::Name, length)),
        letter => Some((Kind::Sign, letter.len_utf8())),
    }
}

/// The length of a number that is no part of a name.
fn number(rest: &str) -> Option<usize> {
    let unsigned = rest.strip_prefix('-').unwrap_or(rest);
    let digits = |text: &str| text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let whole = digits(unsigned);
    let mut length = whole;
    if let Some(fraction) = unsigned[length..].strip_prefix('.') {
        let decimals = digits(fraction);
        if whole + decimals == 0 {
            return None;
        }
        length += 1 + decimals;
    }
    if whole == 0 && length == 0 {
        return None;
    }
    if let Some(exponent) = unsigned[length..].strip_prefix(['e', 'E']) {
        let sign = usize::from(exponent.starts_with(['-', '+']));
        let power = digits(&exponent[sign..]);
        length += if power > 0 { 1 + sign + power } else { 0 };
    }
    let follows = unsigned[length..].chars().next();
    (!follows.is_some_and(is_name)).then_some(length + rest.len() - unsigned.len())
}

fn is_name(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '.')
}

/// The length of a name: letters, and quoted parts.
fn name(rest: &str) -> Option<usize> {
    let mut length = 0;
    while let Some(letter) = rest[length..].chars().next() {
        length += match letter {
            '`' | '"' => closed(&rest[length..], letter)?,
            letter if is_name(letter) => letter.len_utf8(),
            _ => break,
        };
    }
    Some(length)
}

/// The length of what stands in quotes, with them; a doubled quote is part of it.
fn closed(rest: &str, quote: char) -> Option<usize> {
    let mut length = 1;
    loop {
        length += rest[length..].find(quote)? + 1;
        if !rest[length..].starts_with(quote) {
            return Some(length);
        }
        length += 1;
    }
}
