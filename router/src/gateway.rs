//! The state that the stages share, and the way of one operation through them.

use crate::auth;
use crate::config::Config;
use crate::documents::Documents;
use crate::error::{Code, Error, GraphQLError};
use crate::execute::{self, Answer, Broken, Step};
use crate::http::internal;
use crate::http::origins::Origins;
use crate::limits::Count;
use crate::operation::{self, Operation, OperationKind, Variables};
use crate::rate::{Rates, Standing};
use crate::request::{Caller, GraphQLRequest, RequestContext};
use crate::sharing::{InFlight, Key};
use crate::subscription::{Admission, Admitted, Feeds};
use crate::supergraph::{self, Live, Source, Supergraph};
use crate::telemetry::{Meters, metrics, slow, trace};
use futures::stream::BoxStream;
use hansa_token::{Claims, Verifier};
use http::HeaderName;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower_http::cors::CorsLayer;
use tracing::{Instrument, Span};

/// The router: its supergraph, its configuration, who checks its tokens.
pub struct Gateway {
    pub(crate) config: Config,
    pub(crate) origins: Origins,
    /// The headers of clients that travel on to subgraphs besides those that always do.
    pub(crate) forwarded: Vec<HeaderName>,
    /// Absent when pages of other origins may not call the API.
    pub(crate) cors: Option<CorsLayer>,
    pub(crate) supergraph: Arc<Live>,
    pub(crate) verifier: Option<Arc<Verifier>>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) feeds: Arc<Feeds>,
    pub(crate) documents: Documents,
    pub(crate) rates: Rates,
    pub(crate) meters: Meters,
    pub(crate) shutdown: CancellationToken,
    /// The queries that may be shared, if they may be.
    queries: Option<InFlight<Answer>>,
}

impl Gateway {
    /// Starts keeping the supergraph up to date in the background, until `shutdown`. Needs a Tokio runtime.
    ///
    /// Without a verifier nobody is identified: `Authorization` travels on to the subgraphs unread, and fields that need
    /// a signed-in caller are denied.
    ///
    /// # Errors
    /// [`Error::Config`] for a configuration that cannot be used; [`Error::File`] for trusted documents that cannot be read.
    pub fn start(
        config: Config,
        source: Source,
        verifier: Option<Arc<Verifier>>,
        shutdown: CancellationToken,
    ) -> Result<Arc<Self>, Error> {
        config.validate()?;
        config.subgraphs.check_sources()?;
        let origins = Origins::new(&config.cors)?;
        let cors = origins.cors(&config.cors);
        let forwarded = config.subgraphs.forwarded();
        let documents = Documents::start(&config.documents, shutdown.clone())?;
        let rates = Rates::new(&config.limits.rate, &shutdown)?;
        let supergraph = Arc::new(Live::default());
        tokio::spawn(supergraph::keep(
            supergraph.clone(),
            source,
            config.supergraph.clone(),
            config.subgraphs.clone(),
            shutdown.clone(),
        ));
        let admission = Arc::new(Admission::default());
        let feeds = Arc::default();
        let queries = config.requests.share_in_flight.then(InFlight::default);
        Ok(Arc::new(Self {
            config,
            origins,
            forwarded,
            cors,
            supergraph,
            verifier,
            admission,
            feeds,
            documents,
            rates,
            meters: Meters::new(),
            shutdown,
            queries,
        }))
    }

    /// `/graphql` (POST, GET, event streams, sockets), `/health` and `/ready`.
    ///
    /// Serve them with the peers' addresses (`into_make_service_with_connect_info::<SocketAddr>()`), which the limits
    /// per address go by. Streams end by themselves when the gateway's shutdown token is cancelled.
    pub fn routes(self: &Arc<Self>) -> axum::Router {
        crate::http::routes(self)
    }

    /// Completes when every socket and event stream has been closed, which they are when the gateway shuts down. A server
    /// does not wait for sockets by itself, and a process that ends at once cuts them off without a close frame.
    pub async fn drained(&self) {
        self.admission.drained().await;
    }

    /// The supergraph in use and how it came to be.
    pub fn supergraph(&self) -> &Arc<Live> {
        &self.supergraph
    }

    /// When an operation that begins now has to be answered.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_millis(self.config.limits.http.timeout_ms)
    }

    /// Counts a new stream against the limits of its address and its user.
    ///
    /// # Errors
    /// SHUTTING_DOWN, RATE_LIMITED.
    pub(crate) fn admit(&self, address: Option<IpAddr>, claims: Option<&Claims>) -> Result<Admitted, GraphQLError> {
        if self.shutdown.is_cancelled() {
            return Err(GraphQLError::new(Code::ShuttingDown, "the server is shutting down"));
        }
        self.admission.admit(&self.config.limits.streams, address, claims.map(|claims| claims.sub.as_str()))
    }

    /// Whether the streams of this session end at the moment, for reasons that are not their own.
    pub(crate) fn is_ending(&self, claims: Option<&Claims>) -> bool {
        self.shutdown.is_cancelled() || auth::is_ending(self.verifier.as_deref(), claims)
    }

    /// Finds the document of a request; parses, validates, authorises and plans its operation, or finds it prepared;
    /// coerces its variables; checks what it costs with them, and how much the caller has asked for already.
    pub(crate) async fn prepare(
        &self,
        request: &mut GraphQLRequest,
        context: &RequestContext,
        deadline: Instant,
    ) -> Result<Prepared, Vec<GraphQLError>> {
        let begun = std::time::Instant::now();
        let prepared = tokio::time::timeout_at(deadline, self.prepare_in_time(request, context, deadline, begun)).await;
        let prepared =
            prepared.unwrap_or_else(|_| Err(vec![GraphQLError::new(Code::Timeout, "planning took too long")]));
        if let Err(errors) = &prepared {
            let code = errors.first().and_then(GraphQLError::code).unwrap_or_default();
            metrics::operation("unknown", code.to_owned(), begun);
        }
        prepared
    }

    async fn prepare_in_time(
        &self,
        request: &mut GraphQLRequest,
        context: &RequestContext,
        deadline: Instant,
        begun: std::time::Instant,
    ) -> Result<Prepared, Vec<GraphQLError>> {
        let counted = self.rates.count(context, Count::Operations, 1).await.map_err(one)?;
        let supergraph = self.supergraph.current().ok_or_else(|| {
            vec![GraphQLError::new(Code::SupergraphUnavailable, "the schema is not known yet; try again soon")]
        })?;
        let registration = self.documents.resolve(request).map_err(one)?;
        let limits = &self.config.limits.operation;
        let operation = operation::prepare(&supergraph, limits, request, context.claims.as_deref()).await?;
        if let (Some(registration), Some(text)) = (registration, &request.query) {
            self.documents.keep(registration, text);
        }
        let variables = Arc::new(operation::coerce(&operation, request.variables.as_ref())?);
        let cost = operation.cost.of(&variables);
        operation::cost::check(cost, limits).map_err(one)?;
        let rate = counted.or(self.rates.count(context, Count::Cost, cost).await.map_err(one)?);
        let (queries, slow) = (self.queries.clone(), self.config.telemetry);
        Ok(Prepared { supergraph, operation, variables, cost, rate, deadline, queries, begun, slow })
    }
}

fn one(error: GraphQLError) -> Vec<GraphQLError> {
    vec![error]
}

/// An operation that is ready to run.
#[derive(Clone)]
pub(crate) struct Prepared {
    supergraph: Arc<Supergraph>,
    pub(crate) operation: Arc<Operation>,
    pub(crate) variables: Arc<Variables>,
    /// What the operation costs with these variables.
    pub(crate) cost: u64,
    /// What the caller has left, if a rate applies.
    pub(crate) rate: Option<Standing>,
    deadline: Instant,
    /// What is shared, if anything is.
    queries: Option<InFlight<Answer>>,
    begun: std::time::Instant,
    slow: slow::Config,
}

impl Prepared {
    /// Runs a query or mutation.
    pub(crate) async fn run(&self, context: &RequestContext) -> Answer {
        let answer = match &self.queries {
            Some(queries) if self.operation.kind == OperationKind::Query => {
                Box::pin(self.share(queries, context)).await
            }
            Some(queries) => {
                let answer = self.execute(context).await;
                queries.forget();
                answer
            }
            None => self.execute(context).await,
        };
        let took = self.begun.elapsed();
        match (answer.has_data, answer.has_errors) {
            (true, false) => self.operation.duration.record(took.as_secs_f64()),
            (true, true) => metrics::operation(self.kind(), "partial", self.begun),
            (false, _) => metrics::operation(self.kind(), "failed", self.begun),
        }
        slow::note(self.slow, self.kind(), &self.operation, took, &answer.fetches);
        answer
    }

    async fn execute(&self, context: &RequestContext) -> Answer {
        let told = self.rate.as_ref().filter(|_| self.asks_for_rate());
        let told = told.map(|rate| RequestContext { rate: Some(*rate.limit()), ..context.clone() });
        let context = told.as_ref().unwrap_or(context);
        execute::run(&self.supergraph, &self.operation, &self.variables, context, self.deadline)
            .instrument(self.span())
            .await
    }

    fn asks_for_rate(&self) -> bool {
        let takes_it = |name: &str| self.supergraph.subgraphs.get(name).is_some_and(|one| one.takes_rate_limit);
        self.operation.plan.as_ref().is_some_and(|plan| plan.asks_any(&takes_it))
    }

    /// Runs a query, or waits for the answer to the same one of the same caller. Its deadline is no later than ours.
    async fn share(&self, queries: &InFlight<Answer>, context: &RequestContext) -> Answer {
        let mut asked = Vec::with_capacity(64);
        // Both live as long as the query is under way, so that their addresses are theirs alone.
        for address in [Arc::as_ptr(&self.supergraph).addr(), Arc::as_ptr(&self.operation).addr()] {
            asked.extend_from_slice(&address.to_ne_bytes());
        }
        // Writing JSON to memory does not fail.
        let _ = serde_json::to_writer(&mut asked, self.variables.as_map());
        let answer = queries.join(Key::new(asked.into(), &context.forward), || {
            let (query, context) = (self.clone(), context.clone());
            async move { query.execute(&context).await }
        });
        answer.await.unwrap_or_else(|| Answer::failed(&[internal()]))
    }

    /// Starts a subscription.
    ///
    /// # Errors
    /// When its subgraph cannot be reached.
    pub(crate) async fn subscribe(&self, caller: &Caller) -> Result<BoxStream<'static, Step>, GraphQLError> {
        let started = self.resume(caller, None, self.deadline).instrument(self.span()).await;
        let outcome = if started.is_ok() { "ok" } else { "failed" };
        metrics::operation(self.kind(), outcome, self.begun);
        started.map_err(|broken| broken.report())
    }

    /// Starts a subscription again, if its stream is durable behind this cursor.
    ///
    /// # Errors
    /// When its subgraph cannot be reached.
    pub(crate) async fn resume(
        &self,
        caller: &Caller,
        after: Option<&str>,
        deadline: Instant,
    ) -> Result<BoxStream<'static, Step>, Broken> {
        execute::subscribe(&self.supergraph, &self.operation, &self.variables, caller, after, deadline).await
    }

    fn span(&self) -> Span {
        let name = self.operation.name.as_deref();
        tracing::trace_span!(
            target: trace::TARGET,
            "operation",
            otel.name = self.kind(),
            "graphql.operation.type" = self.kind(),
            "graphql.operation.name" = name,
        )
    }

    /// `query`, `mutation` or `subscription`.
    pub(crate) fn kind(&self) -> &'static str {
        operation::kind(&self.operation.kind)
    }
}
