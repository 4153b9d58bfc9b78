//! The parts of a text that match.

use super::{
    query::Query,
    words::{Word, words},
};
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;

/// Most fragments of a text.
const MAX_FRAGMENTS: usize = 3;
/// What is shown around what matches, on each side, in characters.
const CONTEXT: usize = 60;
/// What matches in one fragment, at most.
const MAX_HITS: usize = 4;
/// What is shown of a word, in graphemes.
const MAX_HIT: usize = 60;

/// Fragments of `text` around what `query` wants, in their order. Each is one paragraph of CommonMark without any markup but
/// `**` around what matches: the text's own punctuation is escaped, so that it neither formats nor becomes HTML. `…` stands where
/// text was left out.
pub(crate) fn highlights(text: &str, query: &Query) -> Vec<String> {
    let words: Vec<Word> = words(text).collect();
    let hits: Vec<Range<usize>> = hits(&words, query).map(|hit| words[hit].range.clone()).collect();
    let mut fragments = Vec::new();
    let mut rest = &hits[..];
    let mut from = 0;
    while let [first, ..] = rest
        && fragments.len() < MAX_FRAGMENTS
    {
        let mut end = ahead(text, first.end);
        let mut count = 1;
        while let Some(next) = rest.get(count)
            && next.start < end
            && count < MAX_HITS
        {
            end = ahead(text, next.end);
            count += 1;
        }
        let (shown, behind) = rest.split_at(count);
        // What matches further on begins the next fragment.
        let end = behind.first().map_or(end, |next| end.min(next.start));
        let start = back(text, first.start).max(from);
        fragments.push(fragment(text, start..end, shown));
        (rest, from) = (behind, end);
    }
    fragments
}

/// The words that match, by their numbers.
fn hits(words: &[Word], query: &Query) -> impl Iterator<Item = usize> {
    let mut end = 0;
    (0..words.len()).filter(move |&at| {
        let begins = |phrase: &&Vec<String>| {
            words.get(at..at + phrase.len()).is_some_and(|here| here.iter().map(|word| &word.stem).eq(phrase.iter()))
        };
        let longest = query.wanted.iter().filter(begins).map(Vec::len).max().unwrap_or(0);
        end = end.max(at + longest);
        at < end
    })
}

/// Where the words begin that stand within the context before `at`.
fn back(text: &str, at: usize) -> usize {
    let mut room = CONTEXT;
    let pieces = text[..at].split_word_bound_indices().rev();
    pieces.take_while(|(_, piece)| fits(piece, &mut room)).last().map_or(at, |(start, _)| start)
}

/// Where the words end that stand within the context behind `at`.
fn ahead(text: &str, at: usize) -> usize {
    let mut room = CONTEXT;
    let pieces = text[at..].split_word_bound_indices();
    pieces.take_while(|(_, piece)| fits(piece, &mut room)).last().map_or(at, |(start, piece)| at + start + piece.len())
}

fn fits(piece: &str, room: &mut usize) -> bool {
    let left = room.checked_sub(piece.chars().take(CONTEXT + 1).count());
    *room = left.unwrap_or(0);
    left.is_some()
}

fn fragment(text: &str, range: Range<usize>, hits: &[Range<usize>]) -> String {
    let mut markdown = String::new();
    if !text[..range.start].trim().is_empty() {
        markdown.push('…');
    }
    let mut at = range.start;
    for hit in hits {
        escape(&text[at..hit.start], &mut markdown);
        match markdown.strip_suffix("**") {
            Some(joined) if at == hit.start => markdown.truncate(joined.len()),
            _ => markdown.push_str("**"),
        }
        let word = &text[hit.clone()];
        let shown = word.grapheme_indices(true).nth(MAX_HIT).map_or(word, |(end, _)| &word[..end]);
        escape(shown, &mut markdown);
        markdown.push_str("**");
        if shown.len() < word.len() {
            markdown.push('…');
        }
        at = hit.end;
    }
    escape(&text[at..range.end.max(at)], &mut markdown);
    if !text[range.end.max(at)..].trim().is_empty() {
        markdown.truncate(markdown.trim_end().len());
        markdown.push('…');
    }
    markdown.trim().to_owned()
}

/// Every run of white space becomes a space, every punctuation is escaped
/// (<https://spec.commonmark.org/0.31.2/#backslash-escapes>).
fn escape(text: &str, markdown: &mut String) {
    for character in text.chars() {
        if character.is_whitespace() {
            if !matches!(markdown.as_str(), "" | "…") && !markdown.ends_with(' ') {
                markdown.push(' ');
            }
        } else {
            if character.is_ascii_punctuation() {
                markdown.push('\\');
            }
            markdown.push(character);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(text: &str, query: &str) -> Vec<String> {
        highlights(text, &Query::parse(query).unwrap())
    }

    #[test]
    fn what_matches_is_strong_and_nothing_else() {
        assert_eq!(of("Salt from **Lüneburg**", "lüneburg"), [r"Salt from \*\***Lüneburg**\*\*"]);
        assert_eq!(of("Мыши и мышь\n\n— мышка", "мышами"), ["**Мыши** и **мышь** — мышка"]);
        assert_eq!(
            of("<b onclick=x>salt</b> &amp; [x](y)", "salt"),
            [r"\<b onclick\=x\>**salt**\<\/b\> \&amp\; \[x\]\(y\)"]
        );
        assert_eq!(of("a b a c b", r#""a b" -c"#), ["**a** **b** a c b"]);
        assert_eq!(of("日本語", "日本"), ["**日本**語"]);
        assert_eq!(of("wait… what", "what"), ["wait… **what**"]);
    }

    #[test]
    fn fragments_are_few_short_and_apart() {
        let far = format!("salt {} salt {0} salt {0} salt", "word ".repeat(30));
        let fragments = of(&far, "salt");
        assert_eq!(fragments.len(), MAX_FRAGMENTS);
        assert!(fragments[0].starts_with("**salt** word") && fragments[0].ends_with("word…"), "{fragments:?}");
        assert!(fragments[1].starts_with("…word") && fragments[1].contains("word **salt** word"), "{fragments:?}");
        for text in ["salt ".repeat(2000), "x".repeat(10_000), "é👩‍👩‍👧".repeat(1000)] {
            for fragment in of(&text, "salt é xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx") {
                assert!(fragment.graphemes(true).count() < 500, "{fragment}");
            }
        }
    }

    /// The text that a fragment shows, and whether something else than `**` could format it.
    fn shown(fragment: &str) -> (String, bool) {
        let (mut text, mut is_plain) = (String::new(), true);
        let mut rest = fragment.chars();
        while let Some(character) = rest.next() {
            match character {
                '\\' => text.extend(rest.next()),
                '*' => is_plain &= rest.next() == Some('*'),
                other => {
                    is_plain &= !other.is_ascii_punctuation();
                    text.push(other);
                }
            }
        }
        (text, is_plain)
    }

    proptest! {
        #[test]
        fn fragments_show_the_text_and_format_nothing(text in r"(соль|salt|[<>&*_`\[\]()#+.!\\-]|\PC|\s){0,300}") {
            let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            for fragment in of(&text, "salt соль") {
                let (shown, is_plain) = shown(&fragment);
                prop_assert!(is_plain, "{}", fragment);
                prop_assert!(squeezed(&text).contains(squeezed(shown.trim_matches('…')).as_str()), "{}", fragment);
            }
        }
    }
}
