use crate::world::{CREATE, World, everywhere, user};
use hansa_kit::Viewer;
use hansa_migrations::posts::Migrator;
use sea_orm::{ConnectionTrait, Statement, TransactionTrait};
use serde_json::{Value, json};
use std::sync::Mutex;

const SEARCH: &str = "query ($query: String!, $filter: PostFilter, $first: Int, $after: String) {
    postSearch(query: $query, filter: $filter, first: $first, after: $after) {
        totalCount edges { cursor score highlights node { id body } } pageInfo { hasNextPage endCursor }
    }
}";
const UPDATE: &str = "mutation ($id: ID!, $body: String!) {
    postUpdate(id: $id, input: { body: $body }) { userErrors { code } }
}";
const NOBODY: Viewer = Viewer::Anonymous;

impl World {
    /// What `viewer` finds.
    async fn search(&self, viewer: &Viewer, variables: Value) -> Value {
        self.ask(viewer, SEARCH, variables).await["postSearch"].take()
    }

    /// The texts that anybody finds, the best match first.
    async fn found(&self, query: &str) -> Vec<String> {
        bodies(&self.search(&NOBODY, json!({ "query": query })).await)
    }

    async fn publish(&self, bodies: &[&str]) {
        let (ann, _) = user();
        for body in bodies {
            self.post(&ann, body).await;
        }
    }
}

fn bodies(found: &Value) -> Vec<String> {
    let edges = found["edges"].as_array().unwrap();
    edges.iter().map(|edge| edge["node"]["body"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn all_forms_of_a_word_are_found_in_both_languages() {
    everywhere(async |world| {
        let (ru, en) = ("Кошка ловит мышь у старой ёлки", "The cog ran before the herring season");
        world.publish(&[ru, en]).await;
        for query in ["мыши", "МЫШАМИ", "ёлка", "ЕЛКА", "кошки ловили", "«старая ёлка»", "мышь -herring"]
        {
            assert_eq!(world.found(query).await, [ru], "{query}");
        }
        for query in ["herrings", "Cogs", "SEASONS", "\"the cogs\"", "ｃｏｇ", "season -мышь"] {
            assert_eq!(world.found(query).await, [en], "{query}");
        }
        for query in ["собака", "мышь herring", "\"herring the\"", "cog -season", "-\"the cog\" season"] {
            assert_eq!(world.found(query).await, [""; 0], "{query}");
        }
    })
    .await;
}

#[tokio::test]
async fn better_matches_come_first_and_of_equal_ones_the_later() {
    everywhere(async |world| {
        let far = format!("salt {} and ship", "wax ".repeat(60).trim());
        world.publish(&["ship of salt", "a salt ship, salt ship", &far, "a salt ship", "one salt ship"]).await;
        let expected = ["a salt ship, salt ship", "one salt ship", "a salt ship", "ship of salt", &far];
        assert_eq!(world.found("salt ship").await, expected);
        assert_eq!(world.found(r#""salt ship""#).await, expected[..3]);
        let found = world.search(&NOBODY, json!({ "query": "salt ship" })).await;
        let scores: Vec<_> = found["edges"].as_array().unwrap().iter().map(|edge| edge["score"].as_f64()).collect();
        assert!(scores.iter().rev().is_sorted() && scores.iter().all(|score| *score > Some(0.0)), "{scores:?}");
        assert_eq!(found["edges"][0]["highlights"], json!([r"a **salt** **ship**\, **salt** **ship**"]));
        assert_eq!(found["totalCount"], 5);
    })
    .await;
}

#[tokio::test]
async fn a_phrase_is_found_only_where_its_words_follow_each_other() {
    everywhere(async |world| {
        world.publish(&["a b c", "a b x b c", "c b a"]).await;
        assert_eq!(world.found(r#""a b c""#).await, ["a b c"]);
        assert_eq!(world.found(r#"a -"a b c""#).await, ["c b a", "a b x b c"]);
        assert_eq!(world.search(&NOBODY, json!({ "query": r#""a b c""# })).await["totalCount"], 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_found_is_filtered() {
    everywhere(async |world| {
        let ((ann, ann_id), (bob, _)) = (user(), user());
        world.post(&ann, "salt one").await; // 12:00:01
        world.post(&bob, "salt two").await;
        world.post(&ann, "salt three").await;
        let found =
            async |filter: Value| bodies(&world.search(&NOBODY, json!({ "query": "salt", "filter": filter })).await);
        assert_eq!(found(json!({ "authorId": ann_id })).await, ["salt three", "salt one"]);
        let range = json!({ "from": "2026-03-01T12:00:02Z", "to": "2026-03-01T12:00:03Z" });
        assert_eq!(found(json!({ "createdAt": range })).await, ["salt two"]);
        assert_eq!(world.found(&format!("_{}", "0".repeat(32))).await, [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn posts_are_found_by_those_alone_who_may_see_them() {
    everywhere(async |world| {
        let [(ann, _), (follower, _), (friend, _), (stranger, _), (blocked, _)] = [(); 5].map(|()| user());
        let id = |viewer: &Viewer| viewer.user_id().unwrap();
        let transaction = world.database.begin().await.unwrap();
        let pairs = [
            ("follow (follower_id, followee_id)", &follower, &ann),
            ("friend (user_id, friend_id)", &friend, &ann),
            ("friend (user_id, friend_id)", &ann, &friend),
            ("block (blocker_id, blocked_id)", &ann, &blocked),
        ];
        for (table, one, other) in pairs {
            let insert = format!("INSERT INTO {table} VALUES ($1, $2)");
            let values = [id(one).into(), id(other).into()];
            let backend = transaction.get_database_backend();
            transaction.execute_raw(Statement::from_sql_and_values(backend, insert, values)).await.unwrap();
        }
        transaction.commit().await.unwrap();

        for visibility in ["PRIVATE", "FRIENDS", "FOLLOWERS", "PUBLIC"] {
            let input = json!({ "body": format!("salt {visibility}"), "visibility": visibility });
            world.ask(&ann, CREATE, json!({ "input": input })).await;
        }
        let find = async |viewer: &Viewer| {
            let found = world.search(viewer, json!({ "query": "salt" })).await;
            let count = bodies(&found).len();
            assert_eq!(found["totalCount"], count);
            for edge in found["edges"].as_array().unwrap() {
                assert_eq!(edge["score"], found["edges"][0]["score"], "scores tell nothing of other posts");
            }
            (count, found["edges"][0]["score"].clone())
        };
        let score = find(&ann).await.1;
        for (viewer, count) in [(&ann, 4), (&friend, 3), (&follower, 2), (&stranger, 1), (&NOBODY, 1)] {
            assert_eq!(find(viewer).await, (count, score.clone()));
        }
        assert_eq!(find(&blocked).await.0, 0);

        let rest = json!({ "query": "salt", "filter": { "visibility": "FRIENDS" } });
        assert_eq!(bodies(&world.search(&friend, rest.clone()).await), ["salt FRIENDS"]);
        assert_eq!(bodies(&world.search(&follower, rest).await), [""; 0]);

        // However a post stops to be visible, it is not found: what decides is the post.
        assert_eq!(world.found("public").await.len(), 1);
        for status in ["draft", "scheduled", "hidden"] {
            let update = format!("UPDATE post SET status = '{status}' WHERE visibility = 'public'");
            world.run(&update).await;
            assert_eq!(world.found("public").await, [""; 0], "{status}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_index_follows_the_posts() {
    everywhere(async |world| {
        let (ann, _) = user();
        let id = world.post(&ann, "salt").await;
        world.ask(&ann, UPDATE, json!({ "id": id, "body": "wax and herring" })).await;
        assert_eq!(world.found("salt").await, [""; 0]);
        assert_eq!(world.found("wax").await, ["wax and herring"]);
        let refused = world.ask(&user().0, UPDATE, json!({ "id": id, "body": "salt" })).await;
        assert_eq!(refused["postUpdate"]["userErrors"][0]["code"], "FORBIDDEN");
        assert_eq!(world.found("salt").await, [""; 0]);
        world.ask(&ann, "mutation ($id: ID!) { postDelete(id: $id) { deletedPostId } }", json!({ "id": id })).await;
        assert_eq!(world.found("wax").await, [""; 0]);
        for table in ["post_search", "post_lexeme"] {
            if let Ok(row) = world.one(&format!("SELECT count(*) AS count FROM {table}")).await {
                assert_eq!(row.try_get::<i64>("", "count").unwrap(), 0, "{table}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn pages_hold_every_match_once_while_posts_come_and_go() {
    everywhere(async |world| {
        let (ann, _) = user();
        let mut ids = Vec::new();
        for n in 0..12 {
            ids.push(world.post(&ann, &format!("{} {n}", "salt ".repeat(1 + n % 3))).await);
        }
        let all = world.found("salt").await;
        assert_eq!(all.len(), 12);
        let (mut found, mut after) = (Vec::new(), Value::Null);
        loop {
            let page = world.search(&NOBODY, json!({ "query": "salt", "first": 5, "after": after })).await;
            found.extend(bodies(&page));
            after = page["pageInfo"]["endCursor"].clone();
            world.post(&ann, "salt salt salt new").await;
            if page["pageInfo"]["hasNextPage"] == json!(false) {
                break;
            }
        }
        assert_eq!(found.iter().filter(|body| !body.ends_with("new")).collect::<Vec<_>>(), Vec::from_iter(&all));
        assert!(!found.is_sorted() && found.len() < 15);

        let page = world.search(&NOBODY, json!({ "query": "salt", "first": 0 })).await;
        assert_eq!((page["edges"].as_array().unwrap().len(), &page["pageInfo"]["hasNextPage"]), (0, &json!(true)));
        let cursors = "query ($after: String) { postSearch(query: \"x\", after: $after) { totalCount } }";
        for forged in ["?", "bm90IGEgY3Vyc29y"] {
            assert_eq!(world.code(&NOBODY, cursors, json!({ "after": forged })).await, "BAD_USER_INPUT");
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_costs_two_statements() {
    everywhere(async |world| {
        world.publish(&["salt one", "salt two", "salt three"]).await;
        for first in [1, 3] {
            let (_, statements) = world.count(world.search(&NOBODY, json!({ "query": "salt", "first": first }))).await;
            assert_eq!(statements, 2);
        }
    })
    .await;
}

#[tokio::test]
async fn no_query_is_syntax() {
    everywhere(async |world| {
        world.publish(&["salt and wax", "near body lexemes"]).await;
        for query in [
            "salt OR near",
            "salt*",
            "^salt",
            "lexemes:salt",
            "lexemes : salt",
            "{lexemes} : salt",
            "post_lexeme MATCH salt",
            "NEAR(salt wax)",
            "salt AND NOT wax",
            "salt | near",
            "salt & !wax",
            "salt <-> wax",
            "salt:*",
            "' OR 1=1 --",
            "'); DROP TABLE post; --",
            "\\' \\\" salt",
            "salt\0wax",
            "\"salt\"\"wax\"",
            "((salt",
            "salt))",
            "+salt",
            "$1 ?1 :a @b salt",
            "сол\u{0301}ь \u{200b}\u{feff}\u{202e}x",
            "_",
            "-",
        ] {
            let response = world.execute(&NOBODY, SEARCH, json!({ "query": query })).await;
            for error in &response.errors {
                let code = error.extensions.as_ref().and_then(|extensions| extensions.get("code"));
                assert_eq!(code, Some(&"BAD_USER_INPUT".into()), "{query}: {error:?}");
            }
        }
        assert_eq!(world.found("salt* :wax ^and").await, ["salt and wax"]);
        for (query, code) in [("", "BAD_USER_INPUT"), (&*"x".repeat(257), "BAD_USER_INPUT")] {
            assert_eq!(world.code(&NOBODY, SEARCH, json!({ "query": query })).await, code);
        }
    })
    .await;
}

/// Words of no particular meaning, always the same.
struct Babble(u64);

impl Babble {
    const WORDS: [&str; 12] =
        ["соль", "соли", "мышь", "мышами", "воск", "и", "salt", "ships", "running", "ran", "the", "42"];

    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }

    fn words(&mut self, count: usize) -> String {
        (0..count).map(|_| Self::WORDS[self.next(Self::WORDS.len())]).collect::<Vec<_>>().join(" ")
    }

    fn query(&mut self) -> String {
        let length = 1 + self.next(3);
        match self.next(4) {
            0 => format!("\"{}\"", self.words(length)),
            1 => format!("{} -{}", self.words(length), self.words(1)),
            2 => format!("{} -\"{}\"", self.words(1), self.words(length)),
            _ => self.words(length),
        }
    }
}

#[tokio::test]
async fn every_database_finds_the_same_in_the_same_order() {
    let answers = Mutex::new(Vec::<Vec<(String, Value)>>::new());
    everywhere(async |world| {
        let mut babble = Babble(1);
        let (ann, _) = user();
        for n in 0..150 {
            let length = 1 + babble.next(12);
            let body = format!("{} №{n}", babble.words(length));
            world.ask(&ann, CREATE, json!({ "input": { "body": body } })).await;
        }
        let mut found = Vec::new();
        for _ in 0..80 {
            let query = babble.query();
            let mut page = world.search(&NOBODY, json!({ "query": query, "first": 100 })).await;
            for edge in page["edges"].as_array_mut().unwrap() {
                (edge["cursor"], edge["node"]["id"]) = (Value::Null, Value::Null); // made anew for every database
            }
            page["pageInfo"].take();
            found.push((query, page));
        }
        answers.lock().unwrap().push(found);
    })
    .await;
    let answers = answers.into_inner().unwrap();
    assert!(answers[0].iter().filter(|(_, page)| page["totalCount"] != 0).count() > 60);
    for other in &answers[1..] {
        assert_eq!(&answers[0], other);
    }
}

#[tokio::test]
async fn posts_from_before_the_index_are_put_into_it() {
    hansa_kit::testing::on_every_database::<Migrator>(async |database| {
        let (deps, _log) = hansa_kit::testing::deps(hansa_kit::Clock::default()).await.unwrap();
        let world = World::new(database.clone());
        for n in 0..450 {
            world.publish(&[&format!("salt {n}")]).await;
        }
        world.run("DELETE FROM post_search WHERE seq % 3 > 0").await;
        world.run("UPDATE post_search SET version = 0").await;
        assert_eq!(world.search(&NOBODY, json!({ "query": "salt" })).await["totalCount"], 150);
        let role = hansa_posts::role(database, &deps);
        let tasks: Vec<_> = role.tasks.into_iter().map(|task| tokio::spawn(task.work)).collect();
        let all = async {
            while world.search(&NOBODY, json!({ "query": "salt" })).await["totalCount"] != 450 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), all).await.unwrap();
        deps.shutdown.cancel();
        futures::future::join_all(tasks).await;
        assert_eq!(world.found("449").await, ["salt 449"]);
    })
    .await;
}
