//! XML on the way out: elements in order, every text and value escaped.

/// Writes one document into a string. Names are the program's own and not checked; whatever comes
/// from elsewhere goes through [`Writer::text`] or [`Writer::attribute`], which escape it.
#[derive(Debug)]
pub struct Writer {
    out: String,
    open: Vec<&'static str>,
    /// The start tag of the innermost element still takes attributes.
    in_tag: bool,
}

impl Writer {
    /// A document in UTF-8, as its declaration says.
    pub fn document() -> Self {
        let mut out = String::with_capacity(1024);
        out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
        Self { out, open: Vec::with_capacity(8), in_tag: false }
    }

    /// Begins an element.
    pub fn start(&mut self, name: &'static str) -> &mut Self {
        self.close_tag();
        self.out.push('<');
        self.out.push_str(name);
        self.open.push(name);
        self.in_tag = true;
        self
    }

    /// Adds an attribute to the element that was just begun.
    pub fn attribute(&mut self, name: &str, value: &str) -> &mut Self {
        debug_assert!(self.in_tag, "an attribute stands in a start tag");
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        escape(&mut self.out, value);
        self.out.push('"');
        self
    }

    /// Adds character data, escaped.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.close_tag();
        escape(&mut self.out, text);
        self
    }

    /// Ends the innermost element.
    pub fn end(&mut self) -> &mut Self {
        if let Some(name) = self.open.pop() {
            if self.in_tag {
                self.out.push_str("/>");
                self.in_tag = false;
            } else {
                self.out.push_str("</");
                self.out.push_str(name);
                self.out.push('>');
            }
        }
        self
    }

    /// An element that holds nothing but text.
    pub fn element(&mut self, name: &'static str, text: &str) -> &mut Self {
        self.start(name).text(text).end()
    }

    /// Ends what is open and gives the document.
    pub fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.end();
        }
        self.out
    }

    fn close_tag(&mut self) {
        if self.in_tag {
            self.out.push('>');
            self.in_tag = false;
        }
    }
}

/// The bytes that stand for themselves wherever they stand, which is what most texts are made of.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = b' ' as usize;
    while byte < 0x7f {
        plain[byte] = !matches!(byte as u8, b'&' | b'<' | b'>' | b'"' | b'\'');
        byte += 1;
    }
    plain
};

/// Appends text so that it reads back as itself, in character data and in attribute values alike.
/// What XML cannot hold at all becomes U+FFFD.
pub fn escape(out: &mut String, text: &str) {
    if text.bytes().all(|byte| PLAIN[usize::from(byte)]) {
        return out.push_str(text);
    }
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        let escaped = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            '\'' => "&apos;",
            '\t' => "&#9;",
            '\n' => "&#10;",
            '\r' => "&#13;",
            c if !super::references::is_char(c) => "\u{FFFD}",
            _ => continue,
        };
        out.push_str(&text[plain..at]);
        out.push_str(escaped);
        plain = at + c.len_utf8();
    }
    out.push_str(&text[plain..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_nest_and_values_are_escaped() {
        let mut writer = Writer::document();
        writer.start("a").attribute("b", "<\"'&>\n").start("c").end().element("d", "]]>\u{1}\r").text("t");
        assert_eq!(
            writer.finish(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><a b=\"&lt;&quot;&apos;&amp;&gt;&#10;\"><c/>\
             <d>]]&gt;\u{FFFD}&#13;</d>t</a>"
        );
    }
}
