//! A small federation to run operations over: four subgraphs that record what they are asked and fail on command.

pub mod inventory;
pub mod products;
pub mod reviews;
pub mod users;

use async_graphql::{
    ComplexObject, Context, EmptyMutation, EmptySubscription, Enum, Error, ID, Interface, Object, ObjectType,
    SDLExportOptions, Schema, SimpleObject, Subscription, SubscriptionType,
};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use futures::stream::{Stream, StreamExt};
use hansa_router::execute::{self, Answer};
use hansa_router::limits;
use hansa_router::operation::{self, Operation};
use hansa_router::request::{GraphQLRequest, RequestContext};
use hansa_router::supergraph::{SubgraphSdl, Supergraph, compose};
use hansa_router::transport::{Client, Config, Subgraph, Transport};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How a subgraph misbehaves.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Fault {
    #[default]
    None,
    /// Answers every request with this status and no GraphQL.
    Status(u16),
    /// Never answers.
    Hang,
    /// Answers with this text.
    Says(&'static str),
    /// Gives one event and closes the connection.
    Breaks,
}

/// What a subgraph was asked, and how it shall fail.
#[derive(Debug, Default)]
pub struct Desk {
    pub requests: Mutex<Vec<Value>>,
    pub headers: Mutex<Vec<HeaderMap>>,
    pub fault: Mutex<Fault>,
}

impl Desk {
    pub fn fail(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    pub fn calls(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// The representations of the only request.
    pub fn representations(&self) -> Vec<Value> {
        let requests = self.requests.lock().unwrap();
        assert_eq!(requests.len(), 1, "{requests:#?}");
        requests[0]["variables"]["representations"].as_array().unwrap().clone()
    }
}

/// A running federation.
pub struct Federation {
    pub supergraph: Arc<Supergraph>,
    pub desks: HashMap<&'static str, Arc<Desk>>,
    pub context: RequestContext,
    /// Mutations in the order they ran, over all subgraphs.
    pub journal: Journal,
}

pub type Journal = Arc<Mutex<Vec<String>>>;

/// How the subgraphs are reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum By {
    Call,
    Http,
}

impl Federation {
    pub async fn start(by: By) -> Self {
        Self::start_with(by, Config { retries: 0, ..Config::default() }).await
    }

    pub async fn start_with(by: By, config: Config) -> Self {
        let journal = Journal::default();
        let mut federation = Builder { by, config, desks: HashMap::new(), subgraphs: HashMap::new(), sdls: Vec::new() };
        let users = Schema::new(users::Query, EmptyMutation, EmptySubscription);
        federation.add("users", users).await;
        let products = Schema::build(products::Query, products::Mutation, products::Subscriptions);
        let products = products.data(journal.clone()).enable_subscription_in_federation();
        federation.add("products", products.finish()).await;
        let reviews = Schema::build(reviews::Query, reviews::Mutation, EmptySubscription);
        federation.add("reviews", reviews.data(journal.clone()).finish()).await;
        let inventory = Schema::new(inventory::Query, EmptyMutation, EmptySubscription);
        federation.add("inventory", inventory).await;
        let sdl = compose(&federation.sdls).unwrap_or_else(|error| panic!("{error}"));
        let supergraph = Supergraph::new(sdl, federation.subgraphs.into_values()).unwrap();
        let supergraph = Arc::new(supergraph);
        Self { supergraph, desks: federation.desks, context: RequestContext::default(), journal }
    }

    pub fn desk(&self, name: &str) -> &Desk {
        &self.desks[name]
    }

    pub async fn prepare(&self, query: &str) -> Arc<Operation> {
        self.prepare_with(query, &json!({}), &limits::Operation::default()).await
    }

    async fn prepare_with(&self, query: &str, variables: &Value, limits: &limits::Operation) -> Arc<Operation> {
        let variables = variables.as_object().cloned();
        let request = GraphQLRequest { query: Some(query.into()), variables, ..GraphQLRequest::default() };
        operation::prepare(&self.supergraph, limits, &request, None).await.unwrap()
    }

    pub async fn run_with(&self, query: &str, variables: Value) -> Answer {
        self.run_within(&limits::Operation::default(), query, variables).await
    }

    pub async fn run_within(&self, limits: &limits::Operation, query: &str, variables: Value) -> Answer {
        let operation = self.prepare_with(query, &variables, limits).await;
        let variables = operation::coerce(&operation, variables.as_object()).unwrap();
        execute::run(&self.supergraph, &operation, &variables, &self.context, soon()).await
    }

    /// The answer as it was written: the order of fields matters.
    pub async fn ask(&self, query: &str) -> String {
        String::from_utf8(self.run_with(query, json!({})).await.body.to_vec()).unwrap()
    }

    /// The answer's data as it was written, when there must be no errors.
    pub async fn data(&self, query: &str) -> String {
        let answer = self.ask(query).await;
        let data = answer.strip_prefix("{\"data\":").and_then(|rest| rest.strip_suffix('}'));
        assert!(!answer.contains("\"errors\""), "{answer}");
        data.unwrap().to_owned()
    }

    /// The answer, parsed.
    pub async fn json(&self, query: &str) -> Value {
        serde_json::from_str(&self.ask(query).await).unwrap()
    }
}

pub fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

struct Builder {
    by: By,
    config: Config,
    desks: HashMap<&'static str, Arc<Desk>>,
    subgraphs: HashMap<String, Arc<Subgraph>>,
    sdls: Vec<SubgraphSdl>,
}

impl Builder {
    async fn add<Q, M, S>(&mut self, name: &'static str, schema: Schema<Q, M, S>)
    where
        Q: ObjectType + 'static,
        M: ObjectType + 'static,
        S: SubscriptionType + 'static,
    {
        let sdl = schema.sdl_with_options(SDLExportOptions::new().federation());
        let desk = Arc::new(Desk::default());
        let routes = routes(schema, desk.clone());
        let (url, transport) = match self.by {
            By::Call => (format!("http://{name}/graphql"), Transport::Local(routes)),
            By::Http => (serve(routes).await, Transport::Http(Client::new().unwrap())),
        };
        let subgraph = Subgraph::new(name, &url, transport, &self.config).unwrap();
        self.desks.insert(name, desk);
        self.subgraphs.insert(name.into(), Arc::new(subgraph));
        self.sdls.push(SubgraphSdl { name: name.into(), url, sdl });
    }
}

/// Serves routes on a free port; gives the URL.
pub async fn serve(routes: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
    format!("http://{address}")
}

fn routes<Q, M, S>(schema: Schema<Q, M, S>, desk: Arc<Desk>) -> axum::Router
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    axum::Router::new().route("/graphql", post(handle::<Q, M, S>)).with_state((schema, desk))
}

async fn handle<Q, M, S>(
    State((schema, desk)): State<(Schema<Q, M, S>, Arc<Desk>)>,
    headers: HeaderMap,
    body: String,
) -> Response
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    desk.requests.lock().unwrap().push(serde_json::from_str(&body).unwrap());
    desk.headers.lock().unwrap().push(headers.clone());
    let fault = desk.fault.lock().unwrap().clone();
    match fault {
        Fault::None => {}
        Fault::Status(status) => return StatusCode::from_u16(status).unwrap().into_response(),
        Fault::Hang => std::future::pending().await,
        Fault::Breaks => {
            let event = "event: next\ndata: {\"data\":{\"changed\":{\"name\":\"Half\"}}}\n\n";
            return ([(header::CONTENT_TYPE, "text/event-stream")], event).into_response();
        }
        Fault::Says(text) => return ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
    }
    let request: async_graphql::Request = serde_json::from_str(&body).unwrap();
    if headers[header::ACCEPT].to_str().unwrap().contains("text/event-stream") {
        return events(schema.execute_stream(request)).into_response();
    }
    let answer = schema.execute(request).await;
    let body = Body::from(serde_json::to_vec(&answer).unwrap());
    ([(header::CONTENT_TYPE, "application/graphql-response+json")], body).into_response()
}

fn events(
    answers: impl Stream<Item = async_graphql::Response> + Send + 'static,
) -> Sse<impl Stream<Item = Result<Event, Infallible>> + Send> {
    let next = answers.map(|answer| Event::default().event("next").json_data(answer).unwrap());
    let complete = futures::stream::once(async { Event::default().event("complete").data("") });
    Sse::new(next.chain(complete).map(Ok))
}
