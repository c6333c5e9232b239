//! A text by its lines, and what is indented below what: what belongs to an entry that cannot be read. Knows YAML as people
//! write it, also where it is none.

use std::ops::Range;

/// A text by its lines, and what is indented below what.
pub(super) struct Lines<'t> {
    pub(super) text: &'t str,
    pub(super) starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        let starts = std::iter::once(0).chain(breaks).filter(|at| *at < text.len());
        Self { text, starts: starts.collect() }
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The line that a byte is in.
    pub(super) fn at(&self, byte: usize) -> usize {
        self.starts.partition_point(|start| *start <= byte).saturating_sub(1)
    }

    pub(super) fn bytes(&self, lines: &Range<usize>) -> Range<usize> {
        let start = |line: usize| self.starts.get(line).copied().unwrap_or(self.text.len());
        start(lines.start)..start(lines.end)
    }

    pub(super) fn line(&self, line: usize) -> &'t str {
        self.text[self.bytes(&(line..line + 1))].trim_end()
    }

    pub(super) fn is_empty(&self, line: usize) -> bool {
        let line = self.line(line).trim_start();
        line.is_empty() || line.starts_with('#')
    }

    pub(super) fn indent(&self, line: usize) -> usize {
        let line = self.line(line);
        line.len() - line.trim_start_matches(' ').len()
    }

    pub(super) fn is_item(&self, line: usize) -> bool {
        self.line(line).trim_start_matches(' ').starts_with("- ")
    }

    /// A line and all that belongs to it.
    pub(super) fn block(&self, line: usize) -> Range<usize> {
        let own = self.indent(line);
        let holds_a_list = !self.is_item(line) && self.line(line).ends_with(':');
        let belongs = |next: &usize| {
            self.is_empty(*next)
                || self.indent(*next) > own
                || self.indent(*next) == own && holds_a_list && self.is_item(*next)
        };
        let end = (line + 1..self.len()).find(|next| !belongs(next)).unwrap_or(self.len());
        line..end
    }

    /// The line that a line is indented below.
    pub(super) fn parent(&self, line: usize) -> Option<usize> {
        let own = self.indent(line);
        (0..line).rev().find(|before| {
            !self.is_empty(*before)
                && (self.indent(*before) < own
                    || self.indent(*before) == own && self.is_item(line) && !self.is_item(*before))
        })
    }

    /// The lines of the entry that a line begins, or of what it belongs to: `of_the_whole` where the line only begins the
    /// mapping that is meant.
    pub(super) fn entry(&self, line: usize, of_the_whole: bool) -> Option<Range<usize>> {
        if self.is_item(line) {
            return Some(self.block(line));
        }
        // What stands between brackets on one line goes with it.
        if !of_the_whole || self.line(line).contains('{') {
            return Some(self.block(line));
        }
        self.parent(line).map(|parent| self.block(parent))
    }
}
