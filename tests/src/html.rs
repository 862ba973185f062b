//! Checks of every HTML page: a scanner that accepts only HTML as the templates write it, so that
//! injected markup is noticed, and the rules that hold for every page.

use std::collections::BTreeSet;

use crate::client::Reply;

/// A start tag, or an end tag (its name begins with a slash), and the text after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// The name.
    pub name: String,
    /// The names and values of the attributes.
    pub attributes: Vec<(String, String)>,
    /// The text up to the next tag.
    pub text: String,
}

/// The content security policy of every page.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                      form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'";

/// The elements that the templates use. Any other element was injected.
const KNOWN: [&str; 50] = [
    "!doctype", "a", "bdi", "body", "button", "caption", "code", "dd", "details", "div", "dl",
    "dt", "fieldset", "form", "h1", "h2", "h3", "head", "header", "html", "img", "input", "label",
    "legend", "li", "link", "main", "meta", "nav", "option", "p", "path", "pre", "script",
    "section", "select", "small", "span", "summary", "svg", "table", "tbody", "td", "textarea",
    "th", "thead", "time", "title", "tr", "ul",
];

/// The attributes of SVG with capital letters.
const OF_SVG: [&str; 2] = ["viewBox", "preserveAspectRatio"];

impl Reply {
    /// Returns the elements of the page, in order.
    pub fn elements(&self) -> Vec<Element> {
        elements(&self.body)
    }

    /// Returns the text of the page without its markup.
    pub fn text(&self) -> String {
        let texts = self
            .elements()
            .into_iter()
            .filter(|element| !element.text.trim().is_empty())
            .map(|element| element.text);
        texts.collect::<Vec<_>>().join(" ")
    }
}

impl Element {
    /// Returns the value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Parses a page. Panics on anything that the templates do not write.
pub fn elements(html: &str) -> Vec<Element> {
    let mut found = Vec::new();
    for part in html.split('<').skip(1) {
        let (tag, text) = split_tag(part);
        let (name, mut rest) = tag.split_at(tag.find(char::is_whitespace).unwrap_or(tag.len()));
        assert!(KNOWN.contains(&name.trim_start_matches('/')), "<{name}> in {html}");
        let mut element =
            Element { name: name.to_owned(), text: unescaped(text), ..Element::default() };
        while !rest.trim_start().is_empty() {
            rest = rest.trim_start();
            let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
            let (name, after) = rest.split_at(end);
            let (value, after) = match after.strip_prefix("=\"") {
                Some(quoted) => {
                    quoted.split_once('"').unwrap_or_else(|| panic!("unclosed {name} in <{tag}>"))
                }
                None => ("", after),
            };
            let is_name = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
            let is_of_svg = element.name == "svg" && OF_SVG.contains(&name);
            assert!((is_name || is_of_svg) && !name.is_empty(), "{name} in <{tag}>");
            element.attributes.push((name.to_owned(), unescaped(value)));
            rest = after;
        }
        found.push(element);
    }
    found
}

/// Splits the inside of a tag from the text after it. A `>` in a quoted value does not close the
/// tag.
fn split_tag(part: &str) -> (&str, &str) {
    let mut quoted = false;
    for (at, c) in part.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '>' if !quoted => return (&part[..at], &part[at + 1..]),
            _ => {}
        }
    }
    panic!("an unclosed tag: <{part}");
}

fn unescaped(text: &str) -> String {
    let mut parts = text.split("&#");
    let mut whole = parts.next().unwrap().to_owned();
    for part in parts {
        let (code, rest) = part.split_once(';').unwrap();
        whole.push(char::from(code.parse::<u8>().unwrap()));
        whole += rest;
    }
    assert!(!text.replace("&#", "").contains('&'), "an ampersand that is not escaped: {text}");
    whole
}

/// Checks the rules of every page: its headers, nothing inline, one title, a name for every field,
/// and links that stay within the API.
pub fn check(reply: &Reply, base: &str) {
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", POLICY),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(reply.header(name), value, "{name}");
        assert_eq!(reply.headers.get_all(name).iter().count(), 1, "{name}");
    }
    let elements = reply.elements();
    let count = |name: &str| elements.iter().filter(|element| element.name == name).count();
    for (name, expected) in
        [("html", 1), ("h1", 1), ("main", 1), ("title", 1), ("style", 0), ("script", 1)]
    {
        assert_eq!(count(name), expected, "<{name}> in {}", reply.body);
    }
    assert!(
        elements
            .iter()
            .any(|element| element.name == "html" && element.attribute("lang") == Some("en"))
    );
    let ids: Vec<&str> = elements.iter().filter_map(|element| element.attribute("id")).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "a repeated id: {ids:?}");
    for element in &elements {
        for (name, value) in &element.attributes {
            assert!(!name.starts_with("on") && name != "style", "{name} in <{}>", element.name);
            let is_link = ["href", "action", "src"].contains(&name.as_str());
            let stays = value.starts_with(&format!("{base}/")) && !value.starts_with("//");
            // A portal session leads back to its application.
            let leads_back = element.name == "a" && element.attribute("rel") == Some("external");
            let stays = stays || value.starts_with('#') || leads_back;
            assert!(!is_link || stays, "{name}={value} leaves {base}");
            let named: Vec<&str> = match name.as_str() {
                "for" | "aria-labelledby" | "aria-describedby" => value.split(' ').collect(),
                _ => Vec::new(),
            };
            assert!(named.iter().all(|id| ids.contains(id)), "{name}={value} refers to no element");
        }
    }
    check_fields(&elements);
    check_forms(&elements);
}

/// Checks that every field is inside a label or has one that names it.
fn check_fields(elements: &[Element]) {
    let named: Vec<&str> = elements.iter().filter_map(|element| element.attribute("for")).collect();
    let mut labels = 0;
    for element in elements {
        match element.name.as_str() {
            "label" => labels += 1,
            "/label" => labels -= 1,
            "input" | "select" | "textarea" if element.attribute("type") != Some("hidden") => {
                let is_named = element.attribute("id").is_some_and(|id| named.contains(&id));
                assert!(is_named || labels > 0, "a field without a label: {element:?}");
            }
            _ => {}
        }
    }
}

/// Checks that a form that changes something repeats the CSRF token, and that any other form does
/// not.
fn check_forms(elements: &[Element]) {
    for (at, form) in elements.iter().enumerate().filter(|(_, element)| element.name == "form") {
        let inside: Vec<_> =
            elements[at..].iter().take_while(|element| element.name != "/form").collect();
        let has_csrf = inside.iter().any(|element| element.attribute("name") == Some("csrf"));
        assert_eq!(has_csrf, form.attribute("method") == Some("post"), "{form:?}");
    }
}
