//! What answers are written on: memory that each thread uses again, as it is likely to be in its caches still. An allocator
//! hands out large blocks in turn.

use super::write::write_plain;
use bytes::Bytes;
use std::cell::Cell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use thread_local::ThreadLocal;

/// Larger ones are not kept, in bytes.
const MAX_KEPT: usize = 1 << 20;

/// Pieces of text up to this length are copied by as many bytes, which takes a few instructions, if there are so many.
const PIECE: usize = 32;

/// Pages to write on: one of each thread.
#[derive(Clone, Default)]
pub struct Pages(Arc<ThreadLocal<Cell<Vec<u8>>>>);

/// Text that is being written.
#[derive(Debug)]
pub(super) struct Page {
    /// All of it can be written to.
    bytes: Vec<u8>,
    len: usize,
    of: Pages,
}

/// A piece of text that may have more behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'t> {
    text: &'t [u8],
    len: usize,
}

impl<'t> Piece<'t> {
    /// The first bytes of a text, which has as many.
    #[inline]
    pub(super) fn of(text: &'t [u8], len: usize) -> Self {
        Self { text, len: len.min(text.len()) }
    }

    /// The piece alone.
    #[inline]
    pub(super) fn text(self) -> &'t [u8] {
        &self.text[..self.len]
    }

    /// Appends it to what is no page.
    #[inline]
    pub(super) fn append(self, out: &mut Vec<u8>) {
        match self.text.first_chunk::<PIECE>() {
            Some(text) if self.len <= PIECE => {
                let end = out.len() + self.len;
                out.extend_from_slice(text);
                out.truncate(end);
            }
            _ => out.extend_from_slice(self.text()),
        }
    }
}

/// A comma, a key as JSON, and a colon, with zeros behind so that a few more bytes can be read.
#[derive(Debug)]
pub(super) struct Prefix {
    text: Vec<u8>,
    len: usize,
}

impl Prefix {
    /// As [`prefix`] gives it.
    pub(super) fn of(prefix: &[u8]) -> Self {
        Self { text: [prefix, &[0; PIECE]].concat(), len: prefix.len() }
    }

    /// All of it, but for the comma before the first field.
    pub(super) fn piece(&self, is_first: bool) -> Piece<'_> {
        let skipped = usize::from(is_first);
        Piece::of(&self.text[skipped..], self.len - skipped)
    }
}

/// What stands before the value of a field: a comma, the key as JSON, a colon.
pub(super) fn prefix(key: &str) -> Vec<u8> {
    let mut prefix = Vec::with_capacity(key.len() + 4);
    prefix.push(b',');
    write_plain(key, &mut prefix);
    prefix.push(b':');
    prefix
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").finish_non_exhaustive()
    }
}

impl Pages {
    /// An empty page, with room for so many bytes before it has to grow.
    pub(super) fn take(&self, room: usize) -> Page {
        let mut bytes = self.0.get_or_default().take();
        if bytes.len() < room {
            bytes = vec![0; room];
        }
        Page { bytes, len: 0, of: self.clone() }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        if self.bytes.len() <= MAX_KEPT {
            self.of.0.get_or_default().set(std::mem::take(&mut self.bytes));
        }
    }
}

impl AsRef<[u8]> for Page {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Page {
    /// How much is written, in bytes.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Writes a byte.
    #[inline]
    pub(super) fn push(&mut self, byte: u8) {
        if self.len == self.bytes.len() {
            self.grow(1);
        }
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    /// Writes a piece of text.
    #[inline]
    pub(super) fn piece(&mut self, Piece { text, len }: Piece<'_>) {
        let room = self.bytes.get_mut(self.len..).and_then(|room| room.first_chunk_mut::<PIECE>());
        match (text.first_chunk::<PIECE>(), room) {
            (Some(text), Some(room)) if len <= PIECE => *room = *text,
            _ => return self.text(&text[..len]),
        }
        self.len += len;
    }

    /// Writes two pieces of text.
    #[inline]
    pub(super) fn pieces(&mut self, first: Piece<'_>, second: Piece<'_>) {
        let room = self.bytes.get_mut(self.len..).and_then(|room| room.first_chunk_mut::<{ 2 * PIECE }>());
        match (first.text.first_chunk::<PIECE>(), second.text.first_chunk::<PIECE>(), room) {
            (Some(one), Some(two), Some(room)) if first.len <= PIECE && second.len <= PIECE => {
                room[..PIECE].copy_from_slice(one);
                room[first.len..first.len + PIECE].copy_from_slice(two);
            }
            _ => {
                self.piece(first);
                return self.piece(second);
            }
        }
        self.len += first.len + second.len;
    }

    /// Writes a text.
    pub(super) fn text(&mut self, text: &[u8]) {
        self.make_room(text.len());
        self.bytes[self.len..self.len + text.len()].copy_from_slice(text);
        self.len += text.len();
    }

    /// Writes once more what is written there.
    pub(super) fn again(&mut self, range: Range<usize>) {
        self.make_room(range.len());
        let len = range.len();
        self.bytes.copy_within(range, self.len);
        self.len += len;
    }

    /// Takes back all but the first bytes.
    pub(super) fn cut(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// What is written. The page is free again when nobody holds that any more; at once, if it is far too large.
    pub(super) fn finish(self) -> Bytes {
        if self.len < self.bytes.len() / 4 { Bytes::copy_from_slice(self.as_ref()) } else { Bytes::from_owner(self) }
    }

    fn make_room(&mut self, more: usize) {
        if self.bytes.len() - self.len < more {
            self.grow(more);
        }
    }

    #[cold]
    fn grow(&mut self, more: usize) {
        self.bytes.resize((self.len + more).max(2 * self.len).max(2 * PIECE), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_there() {
        let mut page = Pages::default().take(0);
        let text = "0123456789".repeat(10);
        let mut expected = Vec::new();
        for len in [0, 1, 31, 32, 33, 100] {
            for start in [0, 40, 100 - len.min(60)] {
                let piece = Piece::of(&text.as_bytes()[start..], len);
                page.piece(piece);
                page.pieces(piece, Piece::of(text.as_bytes(), 5));
                piece.append(&mut expected);
                piece.append(&mut expected);
                expected.extend_from_slice(b"01234");
            }
            page.push(b'-');
            expected.push(b'-');
        }
        assert_eq!(String::from_utf8_lossy(page.as_ref()), String::from_utf8_lossy(&expected));
        let end = page.len();
        page.again(1..end);
        page.cut(end + 5);
        page.text(b"!");
        expected.extend_from_within(1..6);
        expected.push(b'!');
        assert_eq!(page.finish(), expected);
    }

    #[test]
    fn a_thread_uses_its_page_again() {
        let pages = Pages::default();
        let write = |room, text: &[u8]| {
            let mut page = pages.take(room);
            page.text(text);
            page.finish()
        };
        let first = write(100, &[b'a'; 100]);
        let place = first.as_ptr();
        // It is not free yet.
        let second = write(100, &[b'b'; 100]);
        assert_ne!(second.as_ptr(), place);
        assert_eq!(first, [b'a'; 100].as_slice());
        drop((second, first));
        let third = write(50, &[b'c'; 50]);
        assert_eq!((third.as_ptr(), &*third), (place, [b'c'; 50].as_slice()));
        drop(third);
        // What is short does not hold it.
        let short = write(0, b"d");
        assert_ne!(short.as_ptr(), place);
        assert_eq!(write(50, &[b'e'; 50]).as_ptr(), place);
        assert_eq!(short, "d");
    }

    #[test]
    fn large_ones_are_not_kept() {
        let pages = Pages::default();
        let mut page = pages.take(MAX_KEPT + 1);
        page.text(&vec![b'a'; MAX_KEPT]);
        drop(page.finish());
        assert_eq!(pages.take(0).bytes.len(), 0);
    }
}
