//! Which namespace a prefix stands for (Namespaces in XML 1.0, sections 3 to 6).
//!
//! Namespaces become small numbers as they are declared, so that names are compared as a number and
//! a local part. There is no hash table, so nothing collides; the number of declarations in scope is
//! capped instead, which bounds every search.

use std::borrow::Cow;

use super::attributes::Attribute;
use super::{ErrorKind, Fault, ill_formed};

/// Most namespace declarations in scope at once: bounds what resolving a prefix costs, which an
/// element under thousands of declarations would make quadratic.
pub const MAX_BINDINGS: usize = 128;

const XML: &str = "http://www.w3.org/XML/1998/namespace";
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

/// A namespace name, as the number that it has within one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Namespace(u32);

impl Namespace {
    /// The namespace of a name without a prefix where no default is declared (Namespaces in XML, section 6.2).
    pub const NONE: Self = Self(0);
    const XML: Self = Self(1);
    const XMLNS: Self = Self(2);
    const KNOWN: u32 = 3;
    const OTHERS: u32 = 1 << 16;

    /// The namespace at `index` of those that were given to the reader as known.
    pub const fn known(index: u16) -> Self {
        Self(Self::KNOWN + index as u32)
    }
}

#[derive(Debug)]
struct Binding<'a> {
    depth: usize,
    prefix: &'a str,
    name: Cow<'a, str>,
    namespace: Namespace,
}

/// The declarations in scope.
#[derive(Debug)]
pub(super) struct Namespaces<'a> {
    known: &'a [&'a str],
    bindings: Vec<Binding<'a>>,
    /// How many other names than the known ones were numbered.
    others: u32,
}

impl<'a> Namespaces<'a> {
    pub(super) fn new(known: &'a [&'a str]) -> Self {
        Self { known, bindings: Vec::with_capacity(8), others: 0 }
    }

    /// Takes the declarations out of an element's attributes and resolves the names of the others.
    pub(super) fn enter(&mut self, depth: usize, attributes: &mut Vec<Attribute<'a>>) -> Result<(), Fault> {
        if attributes.is_empty() {
            return Ok(());
        }
        let mut prefixed = false;
        for attribute in attributes.iter_mut() {
            if attribute.prefix == "xmlns" || (attribute.prefix.is_empty() && attribute.local == "xmlns") {
                attribute.namespace = Namespace::XMLNS;
                self.declare(depth, attribute)?;
            }
            prefixed |= !attribute.prefix.is_empty();
        }
        if prefixed {
            for attribute in attributes.iter_mut() {
                if attribute.namespace == Namespace::NONE && !attribute.prefix.is_empty() {
                    attribute.namespace = self.resolve(attribute.prefix, attribute.offset)?;
                }
            }
        }
        distinct(attributes)?;
        attributes.retain(|attribute| attribute.namespace != Namespace::XMLNS);
        Ok(())
    }

    /// Forgets the declarations of an element that ends.
    pub(super) fn leave(&mut self, depth: usize) {
        while self.bindings.last().is_some_and(|binding| binding.depth >= depth) {
            self.bindings.pop();
        }
    }

    /// The namespace of an element's or attribute's prefix; the default one for an empty prefix.
    pub(super) fn resolve(&self, prefix: &str, offset: usize) -> Result<Namespace, Fault> {
        if let Some(binding) = self.bindings.iter().rev().find(|binding| same(binding.prefix, prefix)) {
            return Ok(binding.namespace);
        }
        match prefix {
            "" => Ok(Namespace::NONE),
            "xml" => Ok(Namespace::XML),
            _ => Err(ill_formed(format!("the namespace prefix {prefix} is not declared"), offset)),
        }
    }

    /// The name of a namespace in scope, empty for none.
    pub(super) fn name(&self, namespace: Namespace) -> &str {
        match namespace {
            Namespace::NONE => "",
            Namespace::XML => XML,
            Namespace::XMLNS => XMLNS,
            other => match self.bindings.iter().find(|binding| binding.namespace == other) {
                Some(binding) => &binding.name,
                None => self.known.get((other.0 - Namespace::KNOWN) as usize).copied().unwrap_or_default(),
            },
        }
    }

    fn declare(&mut self, depth: usize, attribute: &Attribute<'a>) -> Result<(), Fault> {
        let prefix = if attribute.prefix.is_empty() { "" } else { attribute.local };
        let name = &*attribute.value;
        let wrong = match (prefix, name) {
            ("xmlns", _) => Some("the prefix xmlns must not be declared"),
            ("xml", XML) => return Ok(()),
            ("xml", _) | (_, XML) => Some("the prefix xml belongs to the XML namespace alone"),
            (_, XMLNS) => Some("no prefix may be declared for the xmlns namespace"),
            ("", _) => None,
            (_, "") => Some("a prefix must not be declared for no namespace"),
            _ => None,
        };
        if let Some(wrong) = wrong {
            return Err(ill_formed(wrong, attribute.offset));
        }
        if self.bindings.len() == MAX_BINDINGS {
            return Err((ErrorKind::TooManyBindings, attribute.offset));
        }
        let namespace = self.number(name);
        self.bindings.push(Binding { depth, prefix, name: attribute.value.clone(), namespace });
        Ok(())
    }

    /// The number of a namespace name: equal names in scope have equal numbers.
    fn number(&mut self, name: &str) -> Namespace {
        if name.is_empty() {
            return Namespace::NONE;
        }
        if let Some(index) = self.known.iter().position(|known| *known == name) {
            return Namespace(Namespace::KNOWN + index as u32);
        }
        if let Some(binding) = self.bindings.iter().find(|binding| binding.name == name) {
            return binding.namespace;
        }
        self.others += 1;
        Namespace(Namespace::OTHERS + self.others)
    }
}

/// Compares prefixes, which are too short for a call of `memcmp` to pay.
#[inline(always)]
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).all(|(a, b)| a == b)
}

/// Refuses two attributes of one name, also where two prefixes stand for one namespace.
fn distinct(attributes: &[Attribute<'_>]) -> Result<(), Fault> {
    for (index, one) in attributes.iter().enumerate() {
        let twice = |other: &Attribute<'_>| other.local == one.local && other.namespace == one.namespace;
        if attributes[..index].iter().any(twice) {
            return Err(ill_formed(format!("the attribute {} stands twice", one.local), one.offset));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Document, ErrorKind, Limits, Reader, Token, check};
    use super::*;

    fn names(xml: &str) -> Vec<(String, Namespace)> {
        let document = Document::decode(xml.as_bytes(), None).unwrap();
        let mut reader = Reader::new(&document, Limits::default(), &["urn:known"]);
        let mut names = Vec::new();
        loop {
            match reader.next().unwrap() {
                Token::Start(name) => {
                    names.push((reader.namespace_name(name.namespace).to_owned(), name.namespace));
                    let attributes = reader.attributes().iter();
                    names.extend(attributes.map(|a| (reader.namespace_name(a.namespace).to_owned(), a.namespace)));
                }
                Token::Eof => return names,
                _ => {}
            }
        }
    }

    #[test]
    fn prefixes_resolve_by_scope() {
        let names = names("<a xmlns='urn:x'><p:b xmlns:p='urn:known' c='' p:d='' xml:e=''/><c xmlns=''/><d/></a>");
        let spelled: Vec<&str> = names.iter().map(|(name, _)| &**name).collect();
        assert_eq!(spelled, ["urn:x", "urn:known", "", "urn:known", XML, "", "urn:x"]);
        assert_eq!(names[1].1, Namespace::known(0));
        assert_eq!(names[0].1, names[6].1);
    }

    #[test]
    fn what_namespaces_forbid_is_refused() {
        for bad in [
            "<p:a/>",
            "<a p:b=''/>",
            "<a><b xmlns:p='urn:x'/><p:c/></a>",
            "<a xmlns:p=''/>",
            "<a xmlns:xmlns='urn:x'/>",
            "<xmlns:a/>",
            "<a xmlns:xml='urn:x'/>",
            "<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>",
            "<a xmlns='http://www.w3.org/XML/1998/namespace'/>",
            "<a xmlns:p='http://www.w3.org/2000/xmlns/'/>",
            "<a b='' b=''/>",
            "<a xmlns:p='urn:x' xmlns:q='urn:x' p:b='' q:b=''/>",
            "<a xmlns='urn:x' xmlns='urn:y'/>",
        ] {
            assert!(matches!(check(bad.as_bytes()).unwrap_err().kind(), ErrorKind::NotWellFormed(_)), "{bad}");
        }
        assert!(check(b"<a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>").is_ok());
        assert!(check(b"<p:a xmlns:p='urn:x' b='' p:b=''/>").is_ok());
    }

    #[test]
    fn declarations_in_scope_are_capped_and_those_out_of_scope_do_not_count() {
        let declarations = |n: usize| (0..n).map(|i| format!(" xmlns:p{i}='urn:{i}'")).collect::<String>();
        let nested = format!("<a{0}><b{0}><c{1}/></b></a>", declarations(60), declarations(9));
        assert_eq!(check(nested.as_bytes()).unwrap_err().kind(), &ErrorKind::TooManyBindings);
        let beside = format!("<a>{}</a>", format!("<b{}/>", declarations(60)).repeat(10));
        assert!(check(beside.as_bytes()).is_ok());
    }
}
