//! GraphQL over HTTP (<https://graphql.github.io/graphql-over-http/draft/>), event streams, the way to sockets, health.

pub(crate) mod client;
mod events;
mod health;
mod media;
mod multipart;
pub(crate) mod origins;
mod params;
pub(crate) mod reply;
mod stream;

use crate::error::{Code, GraphQLError};
use crate::execute::Answer;
use crate::gateway::Prepared;
use crate::operation::OperationKind;
use crate::rate::Standing;
use crate::request::{GraphQLRequest, RequestContext};
use crate::subscription;
use crate::telemetry::{self, Summary};
use crate::{Gateway, auth};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts, Request, State, WebSocketUpgrade};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::{any, get};
use bytes::Bytes;
use client::{Client, Peer};
use futures::FutureExt;
use futures::future::join_all;
use http::request::Parts;
use http::{HeaderName, Method, header};
use media::Accept;
pub(crate) use media::Format;
use params::Params;
use std::any::Any;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use stream::Framing;
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate, SizeAbove};
use tower_http::compression::{CompressionLayer, CompressionLevel};

/// Asks for the query plan in the answer, where the configuration allows it.
const QUERY_PLAN: HeaderName = HeaderName::from_static("graphql-query-plan");
/// Asks for the cost of the operation in the answer.
const COST: HeaderName = HeaderName::from_static("graphql-cost");
/// Shorter answers are not worth compressing.
const MIN_COMPRESSED_BYTES: u16 = 1024;

/// Where GraphQL is asked.
pub(crate) const PATH: &str = "/graphql";

/// The routes of a router.
pub(crate) fn routes(gateway: &Arc<Gateway>) -> Router {
    let probes = Router::new()
        .route("/health", get(health::live))
        .route("/ready", get(health::ready))
        .route_layer(CatchPanicLayer::custom(panicked))
        .route_layer(axum::middleware::from_fn_with_state(
            gateway.clone(),
            async |State(gateway): State<Arc<Gateway>>, request, next: Next| {
                telemetry::observe(&gateway.meters, request, |request| next.run(request)).await
            },
        ));
    let graphql = any(async |State(gateway): State<Arc<Gateway>>, request: Request| {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| Peer::new(*peer));
        respond(&gateway, request, peer.as_ref()).await
    });
    probes.route(PATH, graphql).with_state(gateway.clone())
}

/// Answers a request to [`PATH`]. What is seldom needed is wrapped around it when it is: a router's layers would all be
/// made anew, in boxes, for each request.
pub(crate) async fn respond(gateway: &Arc<Gateway>, request: Request, peer: Option<&Peer>) -> Response {
    telemetry::observe(&gateway.meters, request, |request| {
        let answer = AssertUnwindSafe(shared_across_origins(gateway, request, peer)).catch_unwind();
        answer.map(|answer| answer.unwrap_or_else(panicked))
    })
    .await
}

async fn shared_across_origins(gateway: &Arc<Gateway>, request: Request, peer: Option<&Peer>) -> Response {
    let Some(cors) = &gateway.cors else { return compressed(gateway, request, peer).await };
    let inner = service_fn(|request| compressed(gateway, request, peer).map(Ok));
    // Boxed, as what else is seldom needed, so that other requests need not carry the room for it.
    let Ok::<_, Infallible>(response) = Box::pin(cors.layer(inner).oneshot(request)).await;
    response
}

async fn compressed(gateway: &Arc<Gateway>, request: Request, peer: Option<&Peer>) -> Response {
    if !request.headers().contains_key(header::ACCEPT_ENCODING) {
        return graphql(gateway, request, peer).await;
    }
    // The predicate leaves event streams alone.
    let predicate = DefaultPredicate::new()
        .and(NotForContentType::const_new("multipart/mixed"))
        .and(SizeAbove::new(MIN_COMPRESSED_BYTES));
    let compression = CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(predicate);
    let inner = service_fn(|request| graphql(gateway, request, peer).map(Ok));
    let Ok::<_, Infallible>(response) = Box::pin(compression.layer(inner).oneshot(request)).await;
    response.map(Body::new)
}

/// The panic hook has told where; the client learns only that it is our fault.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    reply::errors(Format::GraphQLResponse, &[internal()])
}

pub(crate) fn internal() -> GraphQLError {
    GraphQLError::new(Code::Internal, "an internal error occurred")
}

async fn graphql(gateway: &Arc<Gateway>, request: Request, peer: Option<&Peer>) -> Response {
    let deadline = gateway.deadline();
    let (parts, mut body) = request.into_parts();
    if is_upgrade(&parts) {
        let opened = Box::pin(socket(gateway.clone(), parts, peer)).await;
        return opened.unwrap_or_else(|error| reply::errors(Format::Json, &[error]));
    }
    let response = match Accept::of(&parts.headers) {
        Ok(accept) => {
            let exchange = Exchange { gateway, peer, parts: &parts, accept: &accept, deadline };
            exchange.answer(&mut body).await.unwrap_or_else(|error| reply::errors(accept.format, &[error]))
        }
        Err(error) => reply::errors(Format::Json, &[error]),
    };
    // What was answered before all of it was there has not read the rest.
    params::discard(body, gateway.config.limits.http.max_body_bytes, deadline).await;
    response
}

fn is_upgrade(parts: &Parts) -> bool {
    let upgrade = parts.headers.get(header::UPGRADE).and_then(|value| value.to_str().ok());
    parts.method == Method::CONNECT || upgrade.is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

/// Opens a socket. A token in the header is checked before it opens.
async fn socket(gateway: Arc<Gateway>, mut parts: Parts, peer: Option<&Peer>) -> Result<Response, GraphQLError> {
    gateway.origins.check_socket(&parts.headers, &gateway.config.csrf)?;
    let client = Client::of(&parts.headers, peer, &gateway.config.network);
    let client = client.sending(&gateway.forwarded, &parts.headers);
    let authorization = auth::authorization(&parts.headers)?;
    let mut context = auth::identify(gateway.verifier.as_deref(), authorization, client.forward).await?;
    context.address = client.address;
    let admitted = gateway.admit(client.address, None)?;
    match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => Ok(subscription::accept(upgrade, gateway, context, admitted)),
        Err(rejection) => Err(GraphQLError::new(Code::BadRequest, rejection.body_text())),
    }
}

/// One HTTP request on its way to its answer.
struct Exchange<'e> {
    gateway: &'e Arc<Gateway>,
    peer: Option<&'e Peer>,
    parts: &'e Parts,
    accept: &'e Accept,
    deadline: Instant,
}

impl Exchange<'_> {
    async fn answer(&self, body: &mut Body) -> Result<Response, GraphQLError> {
        let config = &self.gateway.config;
        let Parts { method, headers, uri, .. } = self.parts;
        match *method {
            Method::GET => origins::check_simple(headers, &config.csrf)?,
            Method::POST => media::check_content_type(headers)?,
            _ => {
                let message = "GraphQL is asked by POST or GET";
                return Ok(reply::method_not_allowed(self.accept.format, &[Method::GET, Method::POST], message));
            }
        }
        let client = Client::of(headers, self.peer, &config.network);
        let Client { address, forward } = client.sending(&self.gateway.forwarded, headers);
        let authorization = auth::authorization(headers)?;
        let context = auth::identify(self.gateway.verifier.as_deref(), authorization, forward).await?;
        let context = RequestContext { address, ..context };
        let params = if *method == Method::GET {
            params::from_uri(uri)?
        } else {
            let limits = &config.limits.http;
            let body = params::read(body, limits.max_body_bytes, self.deadline).await?;
            params::from_body(&body, limits.max_batch)?
        };
        match params {
            Params::One(request) => self.answer_one(request, context).await,
            Params::Batch(requests) => Ok(Box::pin(self.answer_batch(requests, context)).await),
        }
    }

    async fn answer_one(&self, mut request: GraphQLRequest, context: RequestContext) -> Result<Response, GraphQLError> {
        let format = self.accept.format;
        let prepared = match self.gateway.prepare(&mut request, &context, self.deadline).await {
            Ok(prepared) => prepared,
            Err(errors) => {
                // Clients come back after a status of failure, and not after a completion.
                let is_completed = format == Format::EventStream && reply::are_of_request(&errors);
                return Ok(if is_completed { stream::refuse(&errors) } else { reply::errors(format, &errors) });
            }
        };
        let rate = prepared.rate.clone();
        let summary = Summary { kind: prepared.kind(), name: prepared.operation.name.clone(), code: None };
        let mut response = match prepared.operation.kind {
            OperationKind::Mutation if self.parts.method == Method::GET => {
                reply::method_not_allowed(format, &[Method::POST], "mutations are sent by POST")
            }
            OperationKind::Subscription => match self.accept.streams {
                Some(framing) => self.stream(framing, prepared, context)?,
                None => {
                    let message = "a subscription needs accept: text/event-stream or \
                                   multipart/mixed;subscriptionSpec=1.0, or a socket (graphql-transport-ws)";
                    return Err(GraphQLError::new(Code::NotAcceptable, message));
                }
            },
            _ if format == Format::EventStream => self.stream(Framing::Events, prepared, context)?,
            _ if format == Format::Multipart => {
                let message = "only subscriptions are answered in multipart/mixed";
                return Err(GraphQLError::new(Code::NotAcceptable, message));
            }
            _ => {
                let answer = prepared.run(&context).await;
                let extensions = self.extensions(&prepared, &answer);
                let body = if extensions.is_empty() { answer.body } else { extend(&answer.body, &extensions) };
                reply::result(format, body)
            }
        };
        if let Some(rate) = rate {
            rate.tell(response.headers_mut());
        }
        response.extensions_mut().insert(summary);
        Ok(response)
    }

    fn stream(&self, framing: Framing, prepared: Prepared, context: RequestContext) -> Result<Response, GraphQLError> {
        let admitted = self.gateway.admit(context.address, context.claims.as_deref())?;
        Ok(stream::respond(self.gateway.clone(), framing, prepared, context, admitted))
    }

    /// Runs the operations of a batch side by side; an answer each, in their order.
    async fn answer_batch(&self, requests: Vec<GraphQLRequest>, context: RequestContext) -> Response {
        let answers = join_all(requests.into_iter().map(|request| self.answer_of_batch(request, &context))).await;
        let mut body = Vec::with_capacity(answers.iter().map(|(answer, _)| answer.len() + 1).sum::<usize>() + 1);
        for (position, (answer, _)) in answers.iter().enumerate() {
            body.push(if position == 0 { b'[' } else { b',' });
            body.extend_from_slice(answer);
        }
        body.push(b']');
        let format = match self.accept.format {
            Format::EventStream | Format::Multipart => Format::Json,
            format => format,
        };
        let mut response = reply::result(format, body.into());
        // The operations ran side by side: who counted last has the least.
        let rates = answers.iter().filter_map(|(_, rate)| rate.as_ref());
        if let Some(least) = rates.min_by_key(|rate| rate.remaining()) {
            least.tell(response.headers_mut());
        }
        response
    }

    async fn answer_of_batch(
        &self,
        mut request: GraphQLRequest,
        context: &RequestContext,
    ) -> (Bytes, Option<Standing>) {
        match self.gateway.prepare(&mut request, context, self.deadline).await {
            Ok(prepared) if prepared.operation.kind == OperationKind::Subscription => {
                let error = GraphQLError::new(Code::BadRequest, "a batch cannot hold subscriptions");
                (reply::body(&[error]), prepared.rate)
            }
            Ok(prepared) => (prepared.run(context).await.body, prepared.rate),
            Err(errors) => (reply::body(&errors), None),
        }
    }

    /// What the client wants to be told besides: the members of a JSON object.
    fn extensions(&self, prepared: &Prepared, answer: &Answer) -> String {
        let is_asked = |name: &HeaderName| self.parts.headers.get(name).is_some_and(|value| value == "true");
        let config = &self.gateway.config;
        let mut members = Vec::new();
        if is_asked(&COST) {
            let (cost, max) = (prepared.cost, config.limits.operation.max_cost);
            let limit = prepared.rate.as_ref().and_then(|rate| serde_json::to_string(rate.limit()).ok());
            let limit = limit.map(|limit| format!(",\"rateLimit\":{limit}")).unwrap_or_default();
            members.push(format!("\"cost\":{{\"estimated\":{cost},\"max\":{max}{limit}}}"));
        }
        if is_asked(&QUERY_PLAN) && config.debug.query_plan {
            let plan = prepared.operation.plan.as_ref().and_then(|plan| plan.explain(&answer.fetches));
            members.extend(plan.map(|plan| format!("\"queryPlan\":{plan}")));
        }
        members.join(",")
    }
}

/// Adds `extensions` to an answer, which is an object without any.
fn extend(body: &[u8], members: &str) -> Bytes {
    let open = body.trim_ascii_end().strip_suffix(b"}").unwrap_or(body);
    [open, b",\"extensions\":{", members.as_bytes(), b"}}"].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn a_panic_is_an_internal_error() {
        let panicking = get(|| async { panic!("on purpose") as Response });
        let routes: Router = Router::new().route("/", panicking).layer(CatchPanicLayer::custom(panicked));
        let response = routes.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 500);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(answer["errors"][0]["extensions"]["code"], "INTERNAL");
        assert!(!answer.to_string().contains("on purpose"));
    }

    #[test]
    fn extensions_are_added_to_answers() {
        let answer = extend(br#"{"data":null,"errors":[]}"#, r#""a":1,"b":{}"#);
        assert_eq!(answer, r#"{"data":null,"errors":[],"extensions":{"a":1,"b":{}}}"#);
    }
}
