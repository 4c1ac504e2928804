//! What is taken out of a message before it is kept or shown: passwords.

use std::borrow::Cow;

/// What stands in the place of a password.
const MASK: &str = "***";

/// The text of a message without what stands in its `Password` elements, of whatever prefix. The
/// document need not be well-formed; where it is not, rather too much goes.
pub fn without_passwords(text: &str) -> Cow<'_, str> {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(content) = password(rest) {
        kept.push_str(&rest[..content]);
        kept.push_str(MASK);
        rest = &rest[content..];
        rest = &rest[end(rest)..];
    }
    if kept.is_empty() { Cow::Borrowed(text) } else { Cow::Owned(kept + rest) }
}

/// Where the content of the next password begins.
fn password(text: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let mut tags = memchr::memchr_iter(b'<', &text.as_bytes()[from..]).map(|at| from + at + 1);
        let tag = tags.find(|&at| is_password(name(&text[at..])))?;
        let (length, empty) = start_tag(&text[tag..]);
        // What is empty has neither content nor an end tag that would end it.
        if !empty {
            return Some(tag + length);
        }
        from = tag + length;
    }
}

/// How far a start tag goes, and whether it is an empty element's. A `>` in a quoted value does not
/// end it; where the quotes are not as they should be, the first `>` does.
fn start_tag(tag: &str) -> (usize, bool) {
    let mut quote = None;
    for (at, byte) in tag.bytes().enumerate() {
        match (quote, byte) {
            (_, b'<') => break,
            (None, b'>') => return (at + 1, tag[..at].ends_with('/')),
            (None, b'\'' | b'"') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    (tag.find('>').map_or(tag.len(), |at| at + 1), false)
}

/// Where the content of a password ends: at its own end tag, not at what looks like one in a CDATA
/// section, in a comment or of a password within; or nowhere.
fn end(content: &str) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(found) = content[at..].find('<') {
        at += found;
        let tag = &content[at..];
        let past = |closing: &str| tag.find(closing).map_or(tag.len(), |end| end + closing.len());
        at += match tag {
            _ if tag.starts_with("<![CDATA[") => past("]]>"),
            _ if tag.starts_with("<!--") => past("-->"),
            _ if tag.starts_with("<?") => past("?>"),
            _ if tag.starts_with("</") && is_password(name(&tag[2..])) => match depth.checked_sub(1) {
                Some(outer) => {
                    depth = outer;
                    2
                }
                None => return at,
            },
            _ if is_password(name(&tag[1..])) => {
                let (length, empty) = start_tag(&tag[1..]);
                depth += usize::from(!empty);
                1 + length
            }
            _ => 1,
        };
    }
    content.len()
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
    use proptest::prelude::*;

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
            ("<Password><![CDATA[a</Password>b]]></Password>c", "<Password>***</Password>c"),
            ("<Password>a<!-- </Password> -->b<?p </Password>?>c</Password>d", "<Password>***</Password>d"),
            ("<Password>a<w:Password>b</w:Password>c<Password/>d</Password>e", "<Password>***</Password>e"),
            ("<Password>a<![CDATA[b</Password>c", "<Password>***"),
            ("<Password\n>a</w:Password>", "<Password\n>***</w:Password>"),
            ("<Password/><a>b</a>", "<Password/><a>b</a>"),
            ("<Password/><Password>a</Password>", "<Password/><Password>***</Password>"),
            ("<Password>never closed <a>", "<Password>***"),
            ("<Password Type='never closed", "<Password Type='never closed***"),
            ("<Password a='1' <Password>x", "<Password a='1' <Password>***"),
            ("<Password a='/>'>b</Password>", "<Password a='/>'>***</Password>"),
            ("<Password a='>b</Password>'/>", "<Password a='>***</Password>'/>"),
            ("<Password a=\"'>\"/><b>c</b>", "<Password a=\"'>\"/><b>c</b>"),
            ("<Passwords>a</Passwords>", "<Passwords>a</Passwords>"),
        ] {
            assert_eq!(without_passwords(text), expected, "{text}");
        }
        let many = "<Password/>".repeat(200_000);
        assert_eq!(without_passwords(&many), many, "however many there are");
    }

    /// Pieces of which documents about passwords are made, in any order.
    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "<",
            ">",
            "/",
            "</",
            "/>",
            "Password",
            "w:",
            " a='",
            "'",
            "é",
            "s3cret",
            "<Password>",
            "</Password>",
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
            "&lt;",
            "\n",
        ]);
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn what_a_password_element_holds_goes_from_whatever_document(before in pieces(), after in pieces()) {
            let text = format!("{before}<w:Password Type='x'>topsecret</w:Password>{after}");
            let masked = without_passwords(&text);
            prop_assert!(!masked.contains("topsecret"), "{masked}");
        }
    }
}
