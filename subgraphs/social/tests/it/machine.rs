//! Friendship, follows and blocks between two people as a state machine: what they answer, tell and leave behind when all
//! is done at once is what some order of doing one after another gives.

use crate::world::{Person, World, change};
use chrono::Duration;
use hansa_kit::testing;
use hansa_migrations::social::Migrator;
use hansa_social::Config;
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config as Proptest, TestRunner},
};
use sea_orm::{FromQueryResult, Statement};
use serde_json::Value;
use std::collections::HashSet;
use uuid::Uuid;

const HISTORIES: usize = 12;
const PEOPLE: usize = 3;
const ROUNDS: usize = 12;
/// Operations at once: all their orders are tried.
const AT_ONCE: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Request,
    Accept,
    Decline,
    Cancel,
    Delete,
    Follow,
    Unfollow,
    Block,
    Unblock,
}

/// What one of the people does to another.
#[derive(Clone, Copy, Debug)]
struct Step {
    kind: Kind,
    who: usize,
    whom: usize,
}

/// A step that was taken: the friendship that it named, and what came of it.
#[derive(Clone, Debug)]
struct Taken {
    step: Step,
    named: String,
    answer: Result<Value, String>,
}

#[derive(Clone, Debug, PartialEq)]
struct Friendship {
    id: String,
    requester: usize,
    status: &'static str,
    responded: i64,
}

/// All that is between two people.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    friendship: Option<Friendship>,
    follows: HashSet<usize>,
    blocks: HashSet<usize>,
}

/// The type of an event and who did it.
type Told = (&'static str, usize);

impl Model {
    /// What `taken` leads to at `hour`, and the events it is told by; `None` when it would have been answered otherwise.
    fn after(&self, taken: &Taken, hour: i64) -> Option<(Self, Vec<Told>)> {
        let Step { kind, who, whom } = taken.step;
        let mut next = self.clone();
        let mut told = Vec::new();
        let refusal = match kind {
            Kind::Request => next.request(taken, hour, &mut told),
            Kind::Accept => next.settle(taken, "ACCEPTED", hour, &mut told),
            Kind::Decline => next.settle(taken, "DECLINED", hour, &mut told),
            Kind::Cancel => next.settle(taken, "CANCELLED", hour, &mut told),
            Kind::Delete => match next.friendship.take_if(|known| known.status == "ACCEPTED") {
                Some(known) => {
                    told.push(("friendship.ended", known.requester));
                    None
                }
                None => Some("INVALID_STATE"),
            },
            Kind::Follow if !self.blocks.is_empty() => Some("BLOCKED"),
            Kind::Follow => {
                if next.follows.insert(who) {
                    told.push(("follow.created", who));
                }
                None
            }
            Kind::Unfollow => {
                if next.follows.remove(&who) {
                    told.push(("follow.deleted", who));
                }
                None
            }
            Kind::Block => {
                if next.blocks.insert(who) {
                    next.sever(who, whom, hour, &mut told);
                    told.push(("block.created", who));
                }
                None
            }
            Kind::Unblock => {
                if next.blocks.remove(&who) {
                    told.push(("block.deleted", who));
                }
                None
            }
        };
        let is_as_answered = match (&taken.answer, refusal) {
            (Err(answer), Some(refusal)) => answer == refusal,
            (Ok(answer), None) => match kind {
                Kind::Request | Kind::Accept | Kind::Decline | Kind::Cancel => next
                    .friendship
                    .as_ref()
                    .is_some_and(|known| answer["id"] == *known.id && answer["status"] == known.status),
                _ => true,
            },
            _ => false,
        };
        is_as_answered.then_some((next, told))
    }

    fn request(&mut self, taken: &Taken, hour: i64, told: &mut Vec<Told>) -> Option<&'static str> {
        let who = taken.step.who;
        if !self.blocks.is_empty() {
            return Some("BLOCKED");
        }
        match &mut self.friendship {
            Some(known) if known.status == "ACCEPTED" => return Some("ALREADY_FRIENDS"),
            Some(known) if known.status == "PENDING" => {
                if known.requester != who {
                    (known.status, known.responded) = ("ACCEPTED", hour);
                    told.push(("friendship.accepted", known.requester));
                }
                return None;
            }
            Some(known) if known.status == "DECLINED" && known.requester == who && hour < known.responded + 24 => {
                return Some("INVALID_STATE");
            }
            _ => {}
        }
        // A new friendship has a new id, which only the answer tells.
        let id = taken.answer.as_ref().ok().and_then(|friendship| friendship["id"].as_str()).unwrap_or_default();
        let is_new = self.friendship.as_ref().is_none_or(|known| known.id != id);
        self.friendship =
            Some(Friendship { id: id.to_owned(), requester: who, status: "PENDING", responded: 0 }).filter(|_| is_new);
        told.push(("friendship.requested", who));
        None
    }

    fn settle(&mut self, taken: &Taken, status: &'static str, hour: i64, told: &mut Vec<Told>) -> Option<&'static str> {
        let is_hidden = !self.blocks.is_empty();
        let Some(known) = self.friendship.as_mut().filter(|known| !is_hidden && known.id == taken.named) else {
            return Some("NOT_FOUND");
        };
        let is_theirs = (known.requester == taken.step.who) == (status == "CANCELLED");
        match (is_theirs, known.status) {
            (false, _) => Some("FORBIDDEN"),
            (true, "PENDING") => {
                (known.status, known.responded) = (status, hour);
                let event = if status == "ACCEPTED" { "friendship.accepted" } else { "friendship.ended" };
                told.push((event, known.requester));
                None
            }
            (true, _) => Some("INVALID_STATE"),
        }
    }

    fn sever(&mut self, blocker: usize, blocked: usize, hour: i64, told: &mut Vec<Told>) {
        if let Some(known) = &mut self.friendship {
            if known.status == "PENDING" {
                let status = if known.requester == blocker { "CANCELLED" } else { "DECLINED" };
                (known.status, known.responded) = (status, hour);
                told.push(("friendship.ended", known.requester));
            } else if known.status == "ACCEPTED" {
                told.push(("friendship.ended", known.requester));
                self.friendship = None;
            }
        }
        for follower in [blocker, blocked] {
            if self.follows.remove(&follower) {
                told.push(("follow.deleted", follower));
            }
        }
    }

    /// Whether some order of `taken` is answered as it was, told by `told`, and ends in `end`.
    fn leads_to(&self, taken: &[Taken], hour: i64, told: &[(String, usize)], end: &Self) -> bool {
        if taken.is_empty() {
            return told.is_empty() && self == end;
        }
        (0..taken.len()).any(|first| {
            let Some((next, events)) = self.after(&taken[first], hour) else { return false };
            let are_told = events.len() <= told.len()
                && events.iter().zip(told).all(|(event, told)| (event.0, event.1) == (&*told.0, told.1));
            let mut rest = taken.to_vec();
            rest.remove(first);
            are_told && next.leads_to(&rest, hour, &told[events.len()..], end)
        })
    }
}

fn step() -> impl Strategy<Value = Step> {
    use Kind::{Accept, Block, Cancel, Decline, Delete, Follow, Request, Unblock, Unfollow};
    let kinds = [Request, Request, Request, Accept, Accept, Decline, Cancel, Delete, Follow, Follow, Unfollow, Block]
        .into_iter()
        .chain([Unblock, Unblock])
        .collect::<Vec<_>>();
    (prop::sample::select(kinds), 0..PEOPLE, 1..PEOPLE).prop_map(|(kind, who, further)| Step {
        kind,
        who,
        whom: (who + further) % PEOPLE,
    })
}

/// Rounds of steps that are taken at once, and the hours that go by before each.
fn history() -> impl Strategy<Value = Vec<(i64, Vec<Step>)>> {
    let round = (prop::sample::select(vec![0, 1, 25]), prop::collection::vec(step(), 1..=AT_ONCE));
    prop::collection::vec(round, ROUNDS)
}

/// What is between two people in the database, and how many friendships they have.
async fn found(world: &World, people: &[Person], one: usize, other: usize) -> (Model, usize) {
    #[derive(FromQueryResult)]
    struct Row {
        id: Uuid,
        requester_id: Uuid,
        status: String,
        responded_at: Option<chrono::DateTime<chrono::Utc>>,
    }
    #[derive(FromQueryResult)]
    struct Edge {
        from_id: Uuid,
    }
    let backend = world.database.get_database_backend();
    let pair = || [people[one].key.into(), people[other].key.into()];
    let index = |key: Uuid| people.iter().position(|person| person.key == key).unwrap();
    let sql = "SELECT id, requester_id, status, responded_at FROM friendship \
               WHERE requester_id IN ($1, $2) AND addressee_id IN ($1, $2)";
    let rows = Row::find_by_statement(Statement::from_sql_and_values(backend, sql, pair()));
    let rows = rows.all(&world.database).await.unwrap();
    let edges = async |table: &str, from: &str, to: &str| {
        let sql = format!("SELECT {from} AS from_id FROM {table} WHERE {from} IN ($1, $2) AND {to} IN ($1, $2)");
        let edges = Edge::find_by_statement(Statement::from_sql_and_values(backend, sql, pair()));
        edges.all(&world.database).await.unwrap().into_iter().map(|edge| index(edge.from_id)).collect::<HashSet<_>>()
    };
    let friendship = rows.first().map(|row| Friendship {
        id: hansa_kit::ids::encode("friendship", row.id).to_string(),
        requester: index(row.requester_id),
        status: match &*row.status {
            "pending" => "PENDING",
            "accepted" => "ACCEPTED",
            "declined" => "DECLINED",
            _ => "CANCELLED",
        },
        responded: row.responded_at.map_or(0, |at| (at - crate::world::noon()).num_hours()),
    });
    let follows = edges("follow", "follower_id", "followee_id").await;
    let blocks = edges("block", "blocker_id", "blocked_id").await;
    (Model { friendship, follows, blocks }, rows.len())
}

/// The events from `since` on between two people.
async fn told(world: &World, people: &[Person], since: usize, one: usize, other: usize) -> Vec<(String, usize)> {
    let (one, other) = (people[one].key, people[other].key);
    let subject = format!("{}:{}", one.min(other), one.max(other));
    let events = world.events().await.split_off(since);
    let of_pair = events.iter().filter(|event| event["subject"] == subject);
    let told = of_pair.map(|event| {
        let data = &event["data"];
        let who = ["requester_id", "follower_id", "blocker_id"].iter().find_map(|field| data[field].as_str()).unwrap();
        let who = people.iter().position(|person| person.key == who.parse::<Uuid>().unwrap()).unwrap();
        (event["type"].as_str().unwrap().trim_start_matches("social.").to_owned(), who)
    });
    told.collect()
}

async fn live(world: &World, history: &[(i64, Vec<Step>)]) {
    let people: [Person; PEOPLE] = world.people().await;
    let pairs = [(0, 1), (0, 2), (1, 2)];
    let mut models = [Model::default(), Model::default(), Model::default()];
    let pair_of =
        |step: &Step| pairs.iter().position(|pair| [*pair, (pair.1, pair.0)].contains(&(step.who, step.whom))).unwrap();
    for (round, (hours, steps)) in history.iter().enumerate() {
        world.clock.advance(Duration::hours(*hours));
        let hour = (world.clock.now() - crate::world::noon()).num_hours();
        let since = world.events().await.len();
        let tasks = steps.iter().map(|step| {
            let known = models[pair_of(step)].friendship.as_ref();
            let named = known.map_or_else(|| "friendship_?".to_owned(), |known| known.id.clone());
            let (schema, who, step) = (world.schema.clone(), people[step.who].clone(), *step);
            let whom = people[step.whom].id.clone();
            tokio::spawn(async move {
                let (mutation, id) = match step.kind {
                    Kind::Request => ("friendshipRequest", &whom),
                    Kind::Accept => ("friendshipAccept", &named),
                    Kind::Decline => ("friendshipDecline", &named),
                    Kind::Cancel => ("friendshipCancel", &named),
                    Kind::Delete => ("friendshipDelete", &whom),
                    Kind::Follow => ("followCreate", &whom),
                    Kind::Unfollow => ("followDelete", &whom),
                    Kind::Block => ("blockCreate", &whom),
                    Kind::Unblock => ("blockDelete", &whom),
                };
                let answer = change(&schema, &who, mutation, id).await;
                Taken { step, named, answer }
            })
        });
        let taken = futures::future::try_join_all(tasks.collect::<Vec<_>>()).await.unwrap();
        for (model, (pair, (one, other))) in models.iter_mut().zip(pairs.iter().enumerate()) {
            let of_pair: Vec<_> = taken.iter().filter(|taken| pair_of(&taken.step) == pair).cloned().collect();
            let (end, rows) = found(world, &people, *one, *other).await;
            assert!(rows <= 1, "{rows} friendships of one pair");
            let told = told(world, &people, since, *one, *other).await;
            assert!(
                model.leads_to(&of_pair, hour, &told, &end),
                "round {round} at hour {hour}: no order of\n{of_pair:#?}\nleads from\n{model:?}\nto\n{end:?}\ntold by \
                 {told:?}\nin {history:?}"
            );
            *model = end;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_at_once_is_as_if_done_in_some_order() {
    testing::on_every_database::<Migrator>(async |database| {
        let world = World::new(Config::default(), database);
        let mut random = TestRunner::new(Proptest::default());
        for _ in 0..HISTORIES {
            let history = history().new_tree(&mut random).unwrap().current();
            live(&world, &history).await;
        }
    })
    .await;
}
