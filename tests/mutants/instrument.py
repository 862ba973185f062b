"""Puts every mutant of cargo-mutants into one copy of the sources, each behind a switch that the environment sets.

cargo-mutants builds and tests the workspace once for each mutant, a minute and more each. With all of them in one build
only the tests run once for each, and stop at the first that fails. What cannot be switched at run time is left out and
counted: mutants in `const fn`, in `let` chains, and those that do not compile.
"""

import collections
import re

from tree_sitter import Language, Parser
import tree_sitter_rust

PARSER = Parser(Language(tree_sitter_rust.language()))

SWITCH = """
/// Whether this mutant is the one that the environment asks for.
#[doc(hidden)]
pub(crate) fn __mutant(number: u32) -> bool {
    static ACTIVE: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *ACTIVE.get_or_init(|| std::env::var("HALLPASS_MUTANT").ok().and_then(|text| text.parse().ok()).unwrap_or(0)) == number
}
"""


def call(number):
    return f"crate::__mutant({number})"


class Source:
    """One file: its text, its tree, and the edits that the mutants ask for."""

    def __init__(self, text):
        self.text = text.encode()
        self.tree = PARSER.parse(self.text)
        self.lines = [0]
        for line in self.text.splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line))
        # (start, end) of a node -> what renders it, from the outermost to the innermost.
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
        """Takes a mutant in; false if it cannot be switched."""
        start, end = self.offset(mutant["span"]["start"]), self.offset(mutant["span"]["end"])
        node = self.node(start, max(start, end - 1))
        if inside_const(node):
            return False
        return getattr(self, mutant["genre"])(number, mutant, start, end)

    def FnValue(self, number, mutant, start, end):
        node = self.node(start, end - 1)
        while node is not None and node.type != "function_item":
            node = node.parent
        if node is None:
            return False
        body = node.child_by_field_name("body")
        self.inserts[body.start_byte + 1].append(f" if {call(number)} {{ return {mutant['replacement']}; }} ")
        return True

    def BinaryOperator(self, number, mutant, start, end):
        node = self.node(start, end).parent
        if node is None or node.type != "binary_expression":
            node = self.node(start, end)
        # What assigns, or stands in a `let` chain, cannot stand in a branch.
        if node.type != "binary_expression" or has_let(node):
            return False
        operator = node.child_by_field_name("operator")
        if operator is None or operator.start_byte != start:
            return False
        left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
        replaced = f"({self.original(left)}) {mutant['replacement']} ({self.original(right)})"
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
        """The text from start to end with all edits; `within` is the wrap that is being rendered."""
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
        """Text without wraps, with what is inserted. Inserts at the ends of a wrap are written outside of it."""
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
        return self.part(0, len(self.text))


def has_let(node):
    return node.type in ("let_condition", "let_chain") or any(has_let(child) for child in node.children)


def inside_const(node):
    while node is not None:
        if node.type in ("const_item", "static_item", "macro_definition"):
            return True
        if node.type == "function_item":
            modifiers = [child for child in node.children if child.type == "function_modifiers"]
            return any(re.search(rb"\bconst\b", child.text) for child in modifiers)
        node = node.parent
    return False
