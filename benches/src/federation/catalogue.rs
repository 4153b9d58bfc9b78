//! A catalogue in which nothing is there twice: articles, what was written of each, and who wrote it. It is made up from
//! numbers, the same each time.

const ADJECTIVES: [&str; 11] =
    ["sturdy", "light", "quiet", "handsome", "plain", "honest", "odd", "dependable", "generous", "modest", "patient"];
const NOUNS: [&str; 13] = [
    "desk", "shelf", "lantern", "kettle", "stool", "cabinet", "mirror", "basket", "clock", "bench", "tray", "ladder",
    "bowl",
];

/// How many articles are in the catalogue.
pub const ARTICLES: usize = 140;

/// How many opinions there are of each.
const OPINIONS: usize = 2;

/// A thing to buy.
pub struct Article {
    pub sku: String,
    pub title: String,
    pub price: i32,
    /// In grams.
    pub weight: i32,
}

/// What somebody thinks of an article.
pub struct Opinion {
    pub id: String,
    pub body: String,
    /// The id of who wrote it, who wrote no other.
    pub writer: String,
}

/// Who writes.
pub struct Member {
    pub id: String,
    pub handle: String,
    pub name: String,
    /// The code of what they bought last, which is not in the catalogue.
    pub latest: String,
}

/// All articles, in order.
pub fn articles() -> impl Iterator<Item = Article> {
    (0..ARTICLES).map(numbered)
}

/// The article with this code.
pub fn article(sku: &str) -> Option<Article> {
    number(sku, 'A').map(numbered)
}

fn numbered(number: usize) -> Article {
    Article {
        sku: format!("A{number}"),
        title: format!("The {} {}, model {number}", ADJECTIVES[number % 11], NOUNS[number % 13]),
        price: i32::try_from(100 + number * 37 % 4000).unwrap_or_default(),
        weight: i32::try_from(50 + number * 91 % 9000).unwrap_or_default(),
    }
}

/// What was written of an article, in order.
pub fn opinions(sku: &str) -> impl Iterator<Item = Opinion> {
    let first = number(sku, 'A').map(|number| number * OPINIONS);
    first.into_iter().flat_map(|first| first..first + OPINIONS).map(|number| Opinion {
        id: format!("O{number}"),
        body: format!(
            "After {} days with it: {} where it should be {}, and \"{}\" is no word for it.",
            1 + number % 365,
            ADJECTIVES[number % 11],
            ADJECTIVES[number / 11 % 11],
            ADJECTIVES[number / 7 % 11],
        ),
        writer: format!("M{number}"),
    })
}

/// The member with this id.
pub fn member(id: &str) -> Option<Member> {
    number(id, 'M').map(|number| Member {
        id: id.to_owned(),
        handle: format!("{}-{}-{number}", ADJECTIVES[number % 11], NOUNS[number / 3 % 13]),
        name: format!("Member {number} of {}", NOUNS[number % 13]),
        latest: format!("A{}", 1000 + number),
    })
}

/// The number in a code.
fn number(code: &str, letter: char) -> Option<usize> {
    code.strip_prefix(letter)?.parse().ok()
}
