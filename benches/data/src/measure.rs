//! Asking, and how long it takes.

use crate::corpus::{self, ENGLISH, Language, RUSSIAN, VOCABULARY, user};
use anyhow::ensure;
use async_graphql::{Request, Variables};
use clap::Args;
use hansa_kit::{Clock, Viewer, ids, signals::Signals, testing, viewer::USER_PREFIX};
use hansa_posts::{Schema, Service};
use rand::{Rng, rngs::StdRng};
use sea_orm::{
    ConnectionTrait, DatabaseConnection,
    sea_query::{Expr, Query},
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How much to ask.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// How often each question is asked, with other values every time.
    #[arg(long, default_value_t = 300)]
    times: usize,
    /// Only questions whose names have this in them.
    #[arg(long, default_value = "")]
    only: String,
}

/// Makes the variables of a question, and says who asks.
type Values = Box<dyn Fn(&mut StdRng) -> (Viewer, Value)>;

struct Question {
    name: String,
    document: &'static str,
    values: Values,
}

const SEARCH: &str = "query ($query: String!, $filter: PostFilter, $after: String) {
    postSearch(query: $query, filter: $filter, after: $after) {
        totalCount edges { score highlights node { id body author { id } } } pageInfo { endCursor hasNextPage }
    }
}";
const POST: &str = "query ($id: ID!) { post(id: $id) {
    id body visibility status createdAt editedAt publishedAt reactions { emoji count viewerHasReacted }
    revisions(first: 5) { nodes { body } } author { id posts(first: 5) { nodes { id body } } }
} }";
const POSTS: &str = "{ posts {
    nodes { id body author { id } reactions { emoji count viewerHasReacted } } pageInfo { endCursor hasNextPage }
} }";
const FEED: &str = "query ($viewer: [_Any!]!) { _entities(representations: $viewer) { ... on Viewer { feed {
    nodes { id body author { id } reactions { emoji count viewerHasReacted } } pageInfo { endCursor hasNextPage }
} } } }";

/// Asks every question and prints a table in Markdown.
pub async fn measure(database: &DatabaseConnection, options: Options) -> anyhow::Result<()> {
    let schema = hansa_posts::schema(Service::new(database.clone(), Signals::memory(), Clock::System));
    let posts = count(database, "post").await?;
    println!("{posts} posts; {} times each\n", options.times);
    println!("| | p50 ms | p99 ms | most ms | entries |\n|---|--:|--:|--:|--:|");
    for question in questions(posts).into_iter().filter(|question| question.name.contains(options.only.as_str())) {
        let mut random = corpus::random(3);
        let mut times = Vec::with_capacity(options.times);
        let mut entries = 0;
        for time in 0..options.times + options.times / 10 {
            let (taken, answer) = ask(&schema, &question, &mut random).await?;
            if time >= options.times / 10 {
                times.push(taken);
                entries += answer;
            }
        }
        times.sort_unstable();
        let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
        let mean = entries / times.len();
        println!("| {} | {:.1} | {:.1} | {:.1} | {mean} |", question.name, at(50), at(99), at(100));
    }
    Ok(())
}

/// How long an answer takes, and how many entries it has.
async fn ask(schema: &Schema, question: &Question, random: &mut StdRng) -> anyhow::Result<(Duration, usize)> {
    let (viewer, variables) = (question.values)(random);
    let request = Request::new(question.document).variables(Variables::from_json(variables)).data(viewer);
    let begun = Instant::now();
    let response = schema.execute(request).await;
    let taken = begun.elapsed();
    ensure!(response.errors.is_empty(), "{}: {:?}", question.name, response.errors);
    let answer = response.data.into_json()?.to_string();
    Ok((taken, answer.matches("\"body\"").count()))
}

async fn count(database: &DatabaseConnection, table: &'static str) -> anyhow::Result<u32> {
    let count = Query::select().expr(Expr::cust("count(*)")).from(table).to_owned();
    let row = database.query_one(&count).await?;
    Ok(u32::try_from(row.map_or(Ok(0), |row| row.try_get_by_index::<i64>(0))?)?)
}

fn reader(number: u32) -> Viewer {
    testing::viewer(user(number), &[])
}

fn questions(posts: u32) -> Vec<Question> {
    let mut questions = vec![
        question("a post, with five of its author", POST, move |random| {
            let id = ids::encode("post", corpus::post(random.random_range(0..posts)));
            (Viewer::Anonymous, json!({ "id": id }))
        }),
        question("the newest posts, to anybody", POSTS, |_| (Viewer::Anonymous, json!({}))),
        question("the newest posts, to a user", POSTS, |random| (any_reader(random), json!({}))),
        question("the feed of who follows 10 000", FEED, |_| feed(0)),
        question("the feed of who follows 20", FEED, |random| feed(random.random_range(1..1000))),
    ];
    for (name, language) in [("Russian", RUSSIAN), ("English", ENGLISH)] {
        for (frequency, from, to) in [
            ("the most frequent word", 0, 1),
            ("a frequent word", 2, 50),
            ("a usual word", 100, 1000),
            ("a rare word", VOCABULARY / 2, VOCABULARY),
        ] {
            questions.push(search(name, frequency, move |random| any_word(language, from, to, random)));
        }
        questions.push(search(name, "two frequent words", move |random| {
            format!("{} {}", any_word(language, 0, 5, random), any_word(language, 5, 50, random))
        }));
        questions.push(search(name, "a frequent and a rare word", move |random| {
            format!("{} {}", any_word(language, 0, 5, random), any_word(language, 10_000, VOCABULARY, random))
        }));
        questions.push(search(name, "a phrase of frequent words", move |random| {
            format!("\"{} {}\"", any_word(language, 0, 10, random), any_word(language, 0, 50, random))
        }));
        questions.push(search(name, "a frequent word without another", move |random| {
            format!("{} -{}", any_word(language, 1, 10, random), any_word(language, 0, 1, random))
        }));
    }
    questions.push(question("search, of one author: the most frequent word", SEARCH, |random| {
        let author = ids::encode(USER_PREFIX, user(random.random_range(0..1000)));
        (Viewer::Anonymous, json!({ "query": RUSSIAN.word(0, 0), "filter": { "authorId": author } }))
    }));
    questions.push(question("search, friends' posts alone: the most frequent word", SEARCH, |random| {
        (any_reader(random), json!({ "query": RUSSIAN.word(0, 0), "filter": { "visibility": "FRIENDS" } }))
    }));
    questions
}

fn question(
    name: impl Into<String>,
    document: &'static str,
    values: impl Fn(&mut StdRng) -> (Viewer, Value) + 'static,
) -> Question {
    Question { name: name.into(), document, values: Box::new(values) }
}

fn search(language: &str, name: &str, query: impl Fn(&mut StdRng) -> String + 'static) -> Question {
    question(format!("search, {language}: {name}"), SEARCH, move |random| {
        let query = query(random);
        (any_reader(random), json!({ "query": query }))
    })
}

fn any_reader(random: &mut StdRng) -> Viewer {
    reader(random.random_range(1..1000))
}

fn feed(number: u32) -> (Viewer, Value) {
    let viewer = json!({ "__typename": "Viewer", "id": ids::encode(USER_PREFIX, user(number)) });
    (reader(number), json!({ "viewer": [viewer] }))
}

fn any_word(language: Language, from: u32, to: u32, random: &mut StdRng) -> String {
    language.word(random.random_range(from..to), random.random_range(0..4))
}
