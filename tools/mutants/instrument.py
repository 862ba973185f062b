"""Puts every mutant of cargo-mutants into one copy of the sources, each behind a switch in an environment variable.

cargo-mutants builds and tests the workspace for every mutant, which takes more than a minute each. With all mutants in one
build, only tests are run per mutant, until one fails. Mutants that cannot be switched at run time are left out and counted:
those in constants, in a `const fn` that a constant calls, in `let` chains, and those that do not compile.
"""

import collections
import re

from tree_sitter import Language, Parser
import tree_sitter_rust

PARSER = Parser(Language(tree_sitter_rust.language()))

SWITCH = """
/// Returns whether the environment selects this mutant. Records that the code was reached, if a file is set for that.
#[doc(hidden)]
pub(crate) fn __mutant(number: u32) -> bool {
    static ACTIVE: std::sync::OnceLock<(u32, Option<std::ffi::OsString>)> = std::sync::OnceLock::new();
    static REACHED: [std::sync::atomic::AtomicBool; 4096] = [const { std::sync::atomic::AtomicBool::new(false) }; 4096];
    let (active, file) = ACTIVE.get_or_init(|| {
        let selected = std::env::var("HALLPASS_MUTANT").ok().and_then(|text| text.parse().ok());
        (selected.unwrap_or(0), std::env::var_os("HALLPASS_MUTANTS_REACHED"))
    });
    if let (Some(file), Some(reached)) = (file, REACHED.get(number as usize)) {
        if !reached.swap(true, std::sync::atomic::Ordering::Relaxed) {
            if let Ok(mut file) = std::fs::OpenOptions::new().append(true).open(file) {
                let _ = std::io::Write::write_all(&mut file, format!("{number}\\n").as_bytes());
            }
        }
    }
    *active == number
}
"""


OPERATIONS = ("binary_expression", "compound_assignment_expr")


def call(number):
    return f"crate::__mutant({number})"


class Source:
    """A source file: its text, its syntax tree, and the edits for its mutants."""

    def __init__(self, text, in_constants=frozenset()):
        self.text, self.in_constants = text.encode(), in_constants
        self.tree = PARSER.parse(self.text)
        self.lines = [0]
        for line in self.text.splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line))
        # The positions of `const` that are removed, because the switch is not constant.
        self.unconst = set()
        # (start, end) of a node -> its replacements, from the outermost to the innermost.
        self.wraps = collections.defaultdict(list)
        self.inserts = collections.defaultdict(list)
        self.done = set()

    def offset(self, place):
        line = self.text[self.lines[place["line"] - 1] : self.lines[place["line"]]].decode()
        return self.lines[place["line"] - 1] + len(line[: place["column"] - 1].encode())

    def node(self, start, end):
        return self.tree.root_node.descendant_for_byte_range(start, end)

    def original(self, node):
        return self.text[node.start_byte : node.end_byte].decode()

    def add(self, number, mutant):
        """Adds a mutant. Returns False if it cannot be switched."""
        start, end = self.offset(mutant["span"]["start"]), self.offset(mutant["span"]["end"])
        node = self.node(start, max(start, end - 1))
        function = const_around(node)
        if function is not None and (function.type != "function_item" or name(function) in self.in_constants):
            return False
        if not getattr(self, mutant["genre"])(number, mutant, start, end):
            return False
        if function is not None:
            self.unconst.add(re.search(rb"\bconst\b", self.text[function.start_byte :]).start() + function.start_byte)
        return True

    def FnValue(self, number, mutant, start, end):
        node = self.node(start, end - 1)
        while node is not None and node.type != "function_item":
            node = node.parent
        # With a return type of `impl Trait`, all branches must have the same type.
        if node is None or "impl " in (mutant["function"].get("return_type") or ""):
            return False
        body = node.child_by_field_name("body")
        self.inserts[body.start_byte + 1].append(f" if {call(number)} {{ return {mutant['replacement']}; }} ")
        return True

    def BinaryOperator(self, number, mutant, start, end):
        node = self.node(start, end).parent
        if node is None or node.type not in OPERATIONS:
            node = self.node(start, end)
        # A part of a `let` chain cannot be moved into a branch.
        if node.type not in OPERATIONS or has_let(node):
            return False
        operator = node.child_by_field_name("operator")
        if operator is None or operator.start_byte != start:
            return False
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        left = self.original(left) if node.type == OPERATIONS[1] else f"({self.original(left)})"
        replaced = f"{left} {mutant['replacement']} ({self.original(right)})"
        self.wraps[node.start_byte, node.end_byte].append((number, replaced))
        return True

    def UnaryOperator(self, number, mutant, start, end):
        node = self.node(start, end)
        while node is not None and node.type != "unary_expression":
            node = node.parent
        if node is None or node.start_byte != start or has_let(node):
            return False
        self.wraps[node.start_byte, node.end_byte].append((number, self.original(node)[end - start :]))
        return True

    def guard_of(self, start):
        node = self.node(start, start)
        while node is not None and node.type != "match_arm":
            node = node.parent
        if node is None:
            return None, None
        pattern = node.child_by_field_name("pattern")
        return pattern, pattern.child_by_field_name("condition")

    def MatchArm(self, number, mutant, start, end):
        pattern, guard = self.guard_of(start)
        if pattern is None or pattern.start_byte < start:
            return False
        if guard is None:
            self.inserts[pattern.end_byte].append(f" if !{call(number)}")
        elif has_let(guard) or guard.type in ("let_condition", "let_chain"):
            return False
        else:
            self.inserts[guard.start_byte].insert(0, f"!{call(number)} && (")
            self.inserts[guard.end_byte].append(")")
        return True

    def MatchArmGuard(self, number, mutant, start, end):
        _, guard = self.guard_of(start)
        if guard is None or has_let(guard) or guard.start_byte != start:
            return False
        self.wraps[guard.start_byte, guard.end_byte].append((number, mutant["replacement"]))
        return True

    def StructField(self, number, mutant, start, end):
        node = self.node(start, end)
        while node is not None and node.type != "struct_expression":
            node = node.parent
        if node is None:
            return False
        text = self.text[node.start_byte : start] + self.text[end : node.end_byte]
        self.wraps[node.start_byte, node.end_byte].append((number, text.decode()))
        return True

    def part(self, start, end, within=None):
        """Returns the text from start to end with all edits; `within` is the wrap that is being rendered."""
        spans = sorted(
            (span for span in self.wraps if start <= span[0] and span[1] <= end and span != within),
            key=lambda span: (span[0], -span[1]),
        )
        out, at = [], start
        for span in spans:
            if span[0] < at:
                continue
            out.append(self.plain(at, span[0], at == start and within is not None))
            out.append(self.wrapped(span))
            at = span[1]
        out.append(self.plain(at, end, at == start and within is not None, last=within is not None))
        return "".join(out)

    def plain(self, start, end, first=False, last=False):
        """Returns text without wraps, with inserts. Inserts at the ends of a wrap are written outside of it."""
        out, at = [], start
        for place in sorted(p for p in self.inserts if start <= p <= end):
            if place in self.done or (place == start and first) or (place == end and last):
                continue
            self.done.add(place)
            out.append(self.text[at:place].decode() + "".join(self.inserts[place]))
            at = place
        out.append(self.text[at:end].decode())
        return "".join(out)

    def wrapped(self, span):
        inner = self.part(*span, within=span)
        branches = "".join(f"if {call(number)} {{ {text} }} else " for number, text in self.wraps[span])
        return f"({branches}{{ {inner} }})"

    def write(self):
        for place in sorted(self.unconst):
            self.inserts[place].append("/*")
            self.inserts[place + len("const")].insert(0, "*/")
        return self.part(0, len(self.text))


def has_let(node):
    return node.type in ("let_condition", "let_chain") or any(has_let(child) for child in node.children)


def name(function):
    return function.child_by_field_name("name").text.decode()


def is_const(function):
    return any(re.search(rb"\bconst\b", child.text) for child in function.children if child.type == "function_modifiers")


def const_around(node):
    """Returns the constant or the `const fn` that contains a node."""
    while node is not None:
        if node.type in ("const_item", "static_item", "macro_definition"):
            return node
        if node.type == "function_item":
            return node if is_const(node) else None
        node = node.parent
    return None


def called_in_constants(text):
    """Returns the names of all functions that constants and bodies of `const fn` may call."""
    names, nodes = set(), [PARSER.parse(text.encode()).root_node]
    while nodes:
        node = nodes.pop()
        if node.type in ("const_item", "static_item") or node.type == "function_item" and is_const(node):
            body = node.child_by_field_name("body") or node
            names.update(re.findall(r"(\w+)\s*\(", body.text.decode()))
        nodes += node.children
    return names
