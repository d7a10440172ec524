//! Parameters of a query, `$name`: where they stand in the text, and the text with a literal in their place.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use crate::error::SqlProblem;

/// `sql` with `literal` in place of each `$name`, and how often that stood there. A literal that is shorter is filled up with
/// blanks, so that places behind it on the line stay the same.
///
/// # Errors
/// A [`SqlProblem`] when the text has no tokens of SQL.
pub fn bind(sql: &str, name: &str, literal: &str) -> Result<(String, usize), SqlProblem> {
    let parameter = format!("${name}");
    let starts = line_starts(sql);
    let (mut bound, mut written, mut count) = (String::with_capacity(sql.len()), 0, 0);
    for token in tokens(sql)?.iter().filter(|token| is_parameter(token, &parameter)) {
        let start = offset(sql, &starts, token.span.start);
        bound.push_str(&sql[written..start]);
        bound.push_str(literal);
        bound.extend(std::iter::repeat_n(' ', parameter.len().saturating_sub(literal.len())));
        written = (start + parameter.len()).min(sql.len());
        count += 1;
    }
    bound.push_str(&sql[written..]);
    Ok((bound, count))
}

/// What a query says, without comments and the way it is laid out.
///
/// # Errors
/// As [`bind`].
pub fn words(sql: &str) -> Result<String, SqlProblem> {
    let words: Vec<String> = tokens(sql)?
        .into_iter()
        .filter(|token| !matches!(token.token, Token::Whitespace(_)))
        .map(|token| token.token.to_string())
        .collect();
    Ok(words.join(" "))
}

fn tokens(sql: &str) -> Result<Vec<TokenWithSpan>, SqlProblem> {
    // As written: what stands between quotes is not to be changed.
    let found = Tokenizer::new(&GenericDialect {}, sql).with_unescape(false).tokenize_with_location();
    found.map_err(|error| SqlProblem::somewhere(error.to_string()))
}

fn is_parameter(token: &TokenWithSpan, parameter: &str) -> bool {
    matches!(&token.token, Token::Placeholder(found) if found.eq_ignore_ascii_case(parameter))
}

/// Where each line begins, in bytes.
fn line_starts(sql: &str) -> Vec<usize> {
    std::iter::once(0).chain(sql.match_indices('\n').map(|(end, _)| end + 1)).collect()
}

/// The byte at which a place stands, which counts lines and characters from one.
fn offset(sql: &str, starts: &[usize], place: Location) -> usize {
    let line = usize::try_from(place.line).unwrap_or(1).saturating_sub(1);
    let start = starts.get(line).copied().unwrap_or(sql.len());
    let column = usize::try_from(place.column).unwrap_or(1).saturating_sub(1);
    sql[start..].char_indices().nth(column).map_or(sql.len(), |(place, _)| start + place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_replaced_where_it_is_one() {
        let sql = "select '$day', \"$day\", $day -- $day\n, 'é', $Day + $days from t where x = $day";
        let (bound, count) = bind(sql, "day", "7").unwrap();
        assert_eq!(bound, "select '$day', \"$day\", 7    -- $day\n, 'é', 7    + $days from t where x = 7   ");
        assert_eq!(count, 3);
        assert_eq!(bind("select 'it''s' from t", "day", "7").unwrap(), ("select 'it''s' from t".to_owned(), 0));
    }

    #[test]
    fn what_a_query_says_is_the_same_however_it_is_laid_out() {
        let words_of = |sql: &str| words(sql).unwrap();
        assert_eq!(words_of("select  a -- why\nfrom t"), words_of("select a from /* x */ t"));
        assert_ne!(words_of("select 'a  b'"), words_of("select 'a b'"));
        assert!(bind("select 'open", "day", "7").is_err());
    }
}
