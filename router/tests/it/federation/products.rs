use super::*;

#[derive(Clone, Copy, Enum, PartialEq, Eq)]
pub enum Category {
    Furniture,
    #[graphql(inaccessible)]
    Secret,
}

#[derive(SimpleObject, Clone)]
pub struct Product {
    pub id: ID,
    pub name: String,
    price: i32,
    weight: Option<i32>,
    category: Option<Category>,
    /// Custom scalars may be anything.
    specs: async_graphql::Json<Value>,
}

#[derive(Interface)]
#[graphql(field(name = "id", ty = "&ID"), field(name = "title", ty = "&String"))]
pub enum Item {
    Book(Book),
    Gadget(Gadget),
}

#[derive(SimpleObject)]
pub struct Book {
    id: ID,
    title: String,
    pages: i32,
}

#[derive(SimpleObject)]
pub struct Gadget {
    id: ID,
    title: String,
    watts: i32,
}

pub fn find(id: &str) -> Option<Product> {
    let (name, price, weight, category) = match id {
        "p1" => ("Table", 10, Some(100), Some(Category::Furniture)),
        "p2" => ("Couch", 20, None, Some(Category::Furniture)),
        "p3" => ("Vault", 30, Some(5), Some(Category::Secret)),
        "silent" => ("Silent", 1, Some(1), None),
        _ => return None,
    };
    let specs = async_graphql::Json(json!({ "size": [1.0, { "unit": "m" }] }));
    Some(Product { id: id.into(), name: name.into(), price, weight, category, specs })
}

fn book(id: &str) -> Book {
    Book { id: id.into(), title: format!("Book {id}"), pages: 100 }
}

fn gadget(id: &str) -> Gadget {
    Gadget { id: id.into(), title: format!("Gadget {id}"), watts: 5 }
}

pub struct Query;

#[Object]
impl Query {
    async fn products(&self, ids: Vec<ID>) -> Vec<Option<Product>> {
        ids.iter().map(|id| find(id)).collect()
    }

    async fn product(&self, id: ID) -> Option<Product> {
        find(&id)
    }

    async fn broken(&self) -> Result<Option<i32>, Error> {
        let mut error = Error::new("it broke");
        error.extensions.get_or_insert_default().set("code", "BROKEN");
        Err(error)
    }

    async fn items(&self) -> Vec<Item> {
        vec![Item::Book(book("b1")), Item::Gadget(gadget("g1")), Item::Book(book("b2"))]
    }

    #[graphql(entity)]
    async fn find_product(&self, id: ID) -> Option<Product> {
        find(&id)
    }

    #[graphql(entity)]
    async fn find_book(&self, id: ID) -> Book {
        book(&id)
    }

    #[graphql(entity)]
    async fn find_gadget(&self, id: ID) -> Gadget {
        gadget(&id)
    }
}

pub struct Mutation;

#[Object]
impl Mutation {
    async fn price_set(&self, ctx: &Context<'_>, id: ID, price: i32) -> Option<Product> {
        ctx.data_unchecked::<Journal>().lock().unwrap().push(format!("price {price}"));
        find(&id).map(|product| Product { price, ..product })
    }
}

pub struct Subscriptions;

#[Subscription(name = "Subscription")]
impl Subscriptions {
    /// Each of these products in turn, then the end.
    async fn changed(&self, ids: Vec<ID>) -> impl Stream<Item = Option<Product>> {
        futures::stream::iter(ids).map(|id| find(&id))
    }

    /// One product, then silence.
    async fn silent(&self) -> impl Stream<Item = Option<Product>> {
        let first = futures::stream::once(async { find("silent") });
        let silence = futures::stream::once(async {
            let _listener = Listener::new();
            std::future::pending().await
        });
        first.chain(silence)
    }
}

/// Whether somebody listens to the silence.
pub static LISTENING: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(false));

struct Listener;

impl Listener {
    fn new() -> Self {
        LISTENING.send_replace(true);
        Self
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        LISTENING.send_replace(false);
    }
}
