//! Tables in aligned columns.

use std::io::{self, Write};

use serde_json::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::terminal::{Colour, Terminal, printable};

/// The spaces between two columns.
const GAP: usize = 2;

/// The width below which no column is narrowed.
const NARROWEST: usize = 8;

/// A table that is printed a page at a time. In JSON it is one array.
#[derive(Debug)]
pub struct Pages<const N: usize> {
    terminal: Terminal,
    head: [&'static str; N],
    /// The widest cells so far: the columns of a page are never narrower than those of the previous
    /// page.
    widths: [usize; N],
    /// The width that lines have to fit into, if there is one.
    width: Option<usize>,
    printed: usize,
}

impl<const N: usize> Pages<N> {
    pub(crate) fn new(terminal: Terminal, head: [&'static str; N], width: Option<usize>) -> Self {
        let widths = head.map(UnicodeWidthStr::width);
        Self { terminal, head, widths, width, printed: 0 }
    }

    /// Prints a page. The first page has the head.
    ///
    /// # Errors
    /// Returns an [`io::Error`] if standard output cannot be written.
    pub fn print(&mut self, rows: &[[String; N]], json: &[Value]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.terminal.is_json() {
            for value in json {
                write!(out, "{}{value}", if self.printed == 0 { '[' } else { ',' })?;
                self.printed = self.printed.saturating_add(1);
            }
            return Ok(());
        }
        let rows: Vec<[String; N]> =
            rows.iter().map(|row| row.each_ref().map(|cell| printable(cell))).collect();
        for row in &rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let widths = self.width.map_or(self.widths, |width| fitted(self.widths, width));
        if self.printed == 0 {
            let head = aligned(&self.head, &widths);
            writeln!(out, "{}", self.terminal.paint(&head, Colour::Title))?;
        }
        self.printed = self.printed.saturating_add(1);
        for row in &rows {
            writeln!(out, "{}", aligned(&row.each_ref().map(String::as_str), &widths))?;
        }
        out.flush()
    }

    /// Completes the table.
    ///
    /// # Errors
    /// Returns an [`io::Error`] if standard output cannot be written.
    pub fn end(self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.terminal.is_json() {
            writeln!(out, "{}]", if self.printed == 0 { "[" } else { "" })?;
        }
        out.flush()
    }
}

/// Narrows the widest columns until a line fits. The first column has the IDs, which stay whole.
fn fitted<const N: usize>(mut widths: [usize; N], width: usize) -> [usize; N] {
    let gaps = GAP.saturating_mul(N.saturating_sub(1));
    while widths.iter().fold(gaps, |sum, width| sum.saturating_add(*width)) > width {
        let widest = widths.iter_mut().skip(1).max_by_key(|width| **width);
        match widest.filter(|width| **width > NARROWEST) {
            Some(widest) => *widest = widest.saturating_sub(1),
            None => break,
        }
    }
    widths
}

/// Pads or cuts each cell to the width of its column, measured in terminal columns.
fn aligned(cells: &[&str], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        let cell = cut(cell, *width);
        line.push_str(&cell);
        let gap = width.saturating_sub(cell.width()).saturating_add(GAP);
        line.extend(std::iter::repeat_n(' ', gap));
    }
    line.truncate(line.trim_end().len());
    line
}

fn cut(cell: &str, width: usize) -> String {
    if cell.width() <= width {
        return cell.to_owned();
    }
    let (mut kept, mut used) = (String::new(), 1_usize);
    for c in cell.chars() {
        used = used.saturating_add(c.width().unwrap_or_default());
        if used > width {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_by_terminal_width() {
        let widths = [4, 6];
        let check = |cells: [&str; 2], line: &str| assert_eq!(aligned(&cells, &widths), line);
        check(["ID", "NAME"], "ID    NAME");
        check(["1", "ada"], "1     ada");
        check(["日本", "x"], "日本  x");
        check(["e\u{301}", "x"], "e\u{301}     x");
        check(["1", ""], "1");
        check(["1", "Lovelace"], "1     Lovel…");
        check(["1", "日本語日本"], "1     日本…");
    }

    #[test]
    fn the_widest_columns_behind_the_first_are_narrowed() {
        let check = |width: usize, expected: [usize; 3]| {
            assert_eq!(fitted([24, 30, 12], width), expected, "{width}");
        };
        check(100, [24, 30, 12]);
        check(70, [24, 30, 12]);
        check(69, [24, 29, 12]);
        check(50, [24, 11, 11]);
        check(10, [24, 8, 8]);
    }
}
