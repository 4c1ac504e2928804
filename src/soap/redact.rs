//! What is taken out of a message before it is kept or shown: passwords.

use std::borrow::Cow;

/// What stands in the place of a password.
const MASK: &str = "***";

/// The text of a message without what stands in its `Password` elements, of whatever prefix. The
/// document need not be well-formed; where it is not, rather too much goes.
pub fn without_passwords(text: &str) -> Cow<'_, str> {
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, content)) = password(rest) {
        kept.push_str(before);
        kept.push_str(MASK);
        rest = &content[end(content)..];
    }
    if kept.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(kept + rest) }
}

/// The text up to and with the next start tag of a password, and what follows it.
fn password(text: &str) -> Option<(&str, &str)> {
    let tags = memchr::memchr_iter(b'<', text.as_bytes());
    let tag = tags.map(|at| at + 1).find(|&at| is_password(name(&text[at..])))?;
    let content = text[tag..].find('>').map_or(text.len(), |at| tag + at + 1);
    // What is empty has neither content nor an end tag that would end it.
    if text[..content].ends_with("/>") {
        let (before, after) = password(&text[content..])?;
        return Some((&text[..content + before.len()], after));
    }
    Some(text.split_at(content))
}

/// Where the content of a password ends: at its end tag, or nowhere.
fn end(content: &str) -> usize {
    let ends = content.match_indices("</").find(|(at, _)| is_password(name(&content[at + 2..])));
    ends.map_or(content.len(), |(at, _)| at)
}

fn name(text: &str) -> &str {
    let end = text.find(|c: char| c.is_ascii_whitespace() || matches!(c, '>' | '/' | '<')).unwrap_or(text.len());
    &text[..end]
}

fn is_password(name: &str) -> bool {
    name.rsplit(':').next().is_some_and(|local| local.eq_ignore_ascii_case("password"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_go_and_all_else_stays() {
        for (text, expected) in [
            ("<a>b</a>", "<a>b</a>"),
            (
                "<w:Password Type='x#PasswordText'>s3cret</w:Password>",
                "<w:Password Type='x#PasswordText'>***</w:Password>",
            ),
            (
                "<Password>a</Password><b/><p:Password>c</p:Password >",
                "<Password>***</Password><b/><p:Password>***</p:Password >",
            ),
            ("<Password><![CDATA[a</b>]]>x<!-- y --></Password>z", "<Password>***</Password>z"),
            ("<Password\n>a</w:Password>", "<Password\n>***</w:Password>"),
            ("<Password/><a>b</a>", "<Password/><a>b</a>"),
            ("<Password/><Password>a</Password>", "<Password/><Password>***</Password>"),
            ("<Password>never closed <a>", "<Password>***"),
            ("<Password Type='never closed", "<Password Type='never closed***"),
            ("<Passwords>a</Passwords>", "<Passwords>a</Passwords>"),
        ] {
            assert_eq!(without_passwords(text), expected, "{text}");
        }
    }
}
