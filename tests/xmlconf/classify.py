"""Turns the W3C XML conformance suite into documents that a SOAP endpoint may be sent.

usage: classify.py SUITE OUT

SUITE is the folder that holds the suite's xmlconf.xml. Everything with a document type declaration
is left out, as an endpoint refuses all of it; so are the tests of XML 1.1 and of editions of XML 1.0
before the fifth. Written to OUT:

  wrapped-not-wf  ill-formed documents inside the Body of a SOAP 1.1 envelope
  framed-not-wf   documents whose prolog, epilog or encoding is ill-formed, with an envelope as root
  wrapped-wf      well-formed documents inside the Body of a SOAP 1.1 envelope
  plain-not-wf    the ill-formed documents as they are
  plain-wf        the well-formed documents as they are

What the suite says of a document is confirmed by expat and libxml2 before the document is taken in
another form than its own. The suite may not be redistributed in parts: nothing of it is kept here.
"""

import os
import re
import sys
import xml.parsers.expat as expat

from lxml import etree

BODY = '<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body>%s</S:Body></S:Envelope>'
XML_BASE = "{http://www.w3.org/XML/1998/namespace}base"
MARKS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\xef\xbb\xbf", "utf-8"))


def main(suite, out):
    for name in ("wrapped-not-wf", "framed-not-wf", "wrapped-wf", "plain-not-wf", "plain-wf"):
        os.makedirs(f"{out}/{name}", exist_ok=True)
    for test, path in documents(suite):
        raw = open(path, "rb").read()
        text = decoded(raw)
        if has_dtd(text if text is not None else raw.decode("latin-1")):
            continue
        name = re.sub(r"[^A-Za-z0-9._-]", "_", test.get("ID"))
        wellformed = test.get("TYPE") != "not-wf"
        if not wellformed or expat_accepts(raw, True) or not expat_accepts(raw, False):
            write(out, "plain-wf" if wellformed else "plain-not-wf", name, raw)
        wrapped = in_body(raw, text)
        if wrapped and wellformed and all(accepted(wrapped)):
            write(out, "wrapped-wf", name, wrapped)
        elif wrapped and not wellformed and not confirmed_accepted(wrapped):
            write(out, "wrapped-not-wf", name, wrapped)
        elif not wellformed:
            framed = in_frame(raw)
            if framed:
                write(out, "framed-not-wf", name, framed)


def documents(suite):
    """The tests that count, each once, with their files."""
    parser = etree.XMLParser(load_dtd=True, resolve_entities=True, no_network=True, huge_tree=True)
    seen = set()
    for test in etree.parse(f"{suite}/xmlconf.xml", parser).iter("TEST"):
        path = find(suite, test)
        recommendation = test.get("RECOMMENDATION") or "XML1.0"
        if not path or test.get("VERSION") == "1.1" or re.search(r"(XML|NS)1\.1", recommendation):
            continue
        if test.get("EDITION") and "5" not in test.get("EDITION").split():
            continue
        if test.get("ID") in seen:
            continue
        seen.add(test.get("ID"))
        alone = (test.get("ENTITIES") or "none") == "none"
        if alone and test.get("TYPE") in ("not-wf", "valid", "invalid"):
            yield test, path


def find(suite, test):
    """A test's file: relative to the file that lists it, or to the xml:base around it."""
    base = ""
    for ancestor in reversed(list(test.iterancestors())):
        base = os.path.join(base, ancestor.get(XML_BASE) or "")
    candidates = [os.path.join(suite, base, test.get("URI"))]
    if test.base:
        candidates.append(os.path.join(os.path.dirname(test.base.replace("file://", "")), test.get("URI")))
    return next((os.path.normpath(path) for path in candidates if os.path.exists(path)), None)


def decoded(raw):
    """The text of a document; None if its encoding is what is wrong with it."""
    for mark, encoding in MARKS:
        if raw.startswith(mark):
            return raw[len(mark):].decode(encoding, "replace")
    for start, encoding in ((b"<\0", "utf-16-le"), (b"\0<", "utf-16-be")):
        if raw.startswith(start):
            return raw.decode(encoding, "replace")
    named = re.match(rb"<\?xml[^>]*encoding\s*=\s*[\"']([A-Za-z0-9._-]+)", raw)
    try:
        return raw.decode(named.group(1).decode() if named else "utf-8")
    except (UnicodeDecodeError, LookupError):
        return None


def has_dtd(text):
    bare = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    return "<!DOCTYPE" in re.sub(r"<!\[CDATA\[.*?\]\]>", "", bare, flags=re.S)


def in_body(raw, text):
    """The document without its declaration as the content of a Body."""
    if text is None:
        return None
    body = re.sub(r"^\s*<\?xml\s[^?]*\?>", "", text, count=1)
    return (BODY % body).encode("utf-8", "surrogatepass")


def in_frame(raw):
    """An ill-formed document with an envelope in the place of its root; failing that, the document
    as it is in a Body. Only what every parser refuses is taken."""
    envelope = (BODY % '<x xmlns="urn:x"/>').encode()
    root = re.search(rb"<([A-Za-z]+)\s*/>|<([A-Za-z]+)[^>?]*>.*?</\2\s*>", raw, re.S)
    if root:
        framed = raw[: root.start()] + envelope + raw[root.end():]
        if not any(accepted(framed)):
            return framed
    body = re.sub(rb"^<\?xml[^?]*\?>\s*", b"", raw)
    wrapped = envelope.replace(b'<x xmlns="urn:x"/>', body)
    return wrapped if not (expat_accepts(wrapped, True) or libxml2_accepts(wrapped)) else None


def confirmed_accepted(document):
    """Whether a document counts as well-formed with namespaces. libxml2 reports most namespace errors
    without refusing, so that for what only namespaces forbid expat alone decides."""
    plain, namespaces, libxml2 = accepted(document)
    return namespaces or (libxml2 and not plain)


def accepted(document):
    return expat_accepts(document, False), expat_accepts(document, True), libxml2_accepts(document)


def expat_accepts(document, namespaces):
    parser = expat.ParserCreate(namespace_separator="|" if namespaces else None)
    try:
        parser.Parse(document, True)
        return True
    except (expat.ExpatError, ValueError, LookupError):
        return False


def libxml2_accepts(document):
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, load_dtd=False)
    try:
        etree.fromstring(document, parser)
        return True
    except (etree.XMLSyntaxError, ValueError, LookupError):
        return False


def write(out, folder, name, document):
    with open(f"{out}/{folder}/{name}.xml", "wb") as file:
        file.write(document)


if __name__ == "__main__":
    main(*sys.argv[1:])
