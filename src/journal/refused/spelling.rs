//! Whether a text mentions an id, however a document may spell it.

/// Whether `text`, a document or a query, mentions one of these ids. It rather finds too much: case
/// and the amount of white space do not matter, and a part of a longer word counts.
pub fn mentions<S: AsRef<str>>(text: &str, ids: &[S]) -> bool {
    let spellings = [folded(text), folded(&read(text)), folded(&decoded(text))];
    let mut ids = ids.iter().map(|id| folded(id.as_ref()));
    ids.any(|id| spellings.iter().any(|spelling| spelling.contains(&id)))
}

fn folded(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// The text as a reader of XML puts it together: without comments and processing instructions, with
/// CDATA sections opened and references replaced. It need not be well-formed.
fn read(text: &str) -> String {
    let mut read = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['<', '&']) {
        read.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(inside) = rest.strip_prefix("<![CDATA[") {
            let (data, after) = inside.split_once("]]>").unwrap_or((inside, ""));
            read.push_str(data);
            rest = after;
        } else if let Some(inside) = rest.strip_prefix("<!--") {
            rest = inside.split_once("-->").map_or("", |(_, after)| after);
        } else if let Some(inside) = rest.strip_prefix("<?") {
            rest = inside.split_once("?>").map_or("", |(_, after)| after);
        } else if let Some((character, after)) = reference(rest) {
            read.push(character);
            rest = after;
        } else {
            read.push_str(&rest[..1]);
            rest = &rest[1..];
        }
    }
    read + rest
}

/// The character that a reference at the beginning of the text stands for, and what follows it.
fn reference(text: &str) -> Option<(char, &str)> {
    let inside = text.strip_prefix('&')?;
    let end = inside.find(|c: char| !c.is_ascii_alphanumeric() && c != '#')?;
    let (name, after) = (&inside[..end], inside[end..].strip_prefix(';')?);
    let character = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#')?;
            let number = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(number.ok()?)?
        }
    };
    Some((character, after))
}

/// The text of a query, whose pairs are put one after the other.
fn decoded(query: &str) -> String {
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.map(|(name, value)| format!("{name} {value} ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_id_is_found_however_it_is_spelled() {
        for text in [
            "<ID>W12345</ID>",
            "<ID>\n w12345\n</ID>",
            "<ID>W1&#50;34&#x35;</ID>",
            "<ID>W&#0000000000000000000049;2345",
            "<ID>W12<!-- not he -->345</ID>",
            "<ID>W12<?x y?>345</ID>",
            "<ID><![CDATA[W12]]>345</ID>",
            "<ID>W12345",
            "event=x&candidate=W12%33%345",
        ] {
            assert!(mentions(text, &["W12345"]), "{text}");
        }
        assert!(mentions("<ID>A&amp;B  C</ID>", &["a&b c"]) && mentions("O&apos;Neil", &["x", "O'Neil"]));
        for text in ["", "<ID>W12346</ID>", "<ID>W12 345</ID>", "W<#49;2345", "&#xZZ;&unknown;&", "<!-- never closed"] {
            assert!(!mentions(text, &["W12345"]), "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_id_of_any_characters_is_found_in_any_document(
            id in "[!-~äß]{1,12}",
            spelled in prop::collection::vec(0..4_u8, 12),
            before in "[<&;#a-z! -]{0,20}",
        ) {
            let text: String = id.chars().zip(spelled).map(|(character, way)| match way {
                0 => format!("&#{};", u32::from(character)),
                1 => format!("&#x{:X};", u32::from(character)),
                2 => format!("<![CDATA[{character}]]>"),
                _ => format!("<!-- - -->&#{:010};", u32::from(character)),
            }).collect();
            prop_assert!(mentions(&format!("<a>{text}</a>"), &[&id]), "{text}");
            // Whatever stands before it must not make the search fail.
            let _ = mentions(&format!("{before}{text}"), &[&id]);
        }
    }
}
