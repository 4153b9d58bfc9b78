//! The bench federation: accounts, products, reviews and inventory, each with a part of the same few types.

pub mod catalogue;
pub mod data;

use async_graphql::{
    ComplexObject, EmptyMutation, EmptySubscription, ID, Object, ObjectType, Request, Response, SDLExportOptions,
    Schema, SimpleObject,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use hansa_router::supergraph::{SubgraphSdl, compose};

/// The first of the four ports that the committed supergraph names.
pub const PORT: u16 = 4201;

/// The subgraphs' names, in the order of their ports.
pub const NAMES: [&str; 4] = ["accounts", "products", "reviews", "inventory"];

/// Runs a request over one subgraph's schema.
pub type Execute = Box<dyn Fn(Request) -> BoxFuture<'static, Response> + Send + Sync>;

/// A subgraph's URL.
pub fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}/graphql")
}

/// Where the subgraphs listen, by name.
pub fn urls(port: u16) -> Vec<(&'static str, String)> {
    NAMES.into_iter().zip((port..).map(url)).collect()
}

/// The supergraph over subgraphs at these URLs.
pub fn supergraph(urls: &[(&'static str, String)]) -> anyhow::Result<String> {
    let subgraphs: Vec<_> = urls
        .iter()
        .map(|(name, url)| SubgraphSdl { name: (*name).to_owned(), url: url.clone(), sdl: subgraph(name).0 })
        .collect();
    Ok(compose(&subgraphs)?)
}

/// The SDL of a subgraph, and what runs requests over it.
pub fn subgraph(name: &str) -> (String, Execute) {
    match name {
        "accounts" => schema(accounts::Query),
        "products" => schema(products::Query),
        "reviews" => schema(reviews::Query),
        _ => schema(inventory::Query),
    }
}

fn schema<Q: ObjectType + 'static>(query: Q) -> (String, Execute) {
    let schema = Schema::build(query, EmptyMutation, EmptySubscription).enable_federation().finish();
    let sdl = schema.sdl_with_options(SDLExportOptions::new().federation());
    let execute: Execute = Box::new(move |request| {
        let schema = schema.clone();
        async move { schema.execute(request).await }.boxed()
    });
    (sdl, execute)
}

mod accounts {
    use super::*;

    #[derive(SimpleObject)]
    pub struct User {
        id: ID,
        username: &'static str,
        name: &'static str,
    }

    impl From<&data::User> for User {
        fn from(user: &data::User) -> Self {
            Self { id: user.id.into(), username: user.username, name: user.name }
        }
    }

    #[derive(SimpleObject)]
    pub struct Member {
        id: ID,
        handle: String,
        name: String,
        latest: Article,
    }

    #[derive(SimpleObject)]
    pub struct Article {
        sku: String,
    }

    impl From<catalogue::Member> for Member {
        fn from(member: catalogue::Member) -> Self {
            let catalogue::Member { id, handle, name, latest } = member;
            Self { id: id.into(), handle, name, latest: Article { sku: latest } }
        }
    }

    pub struct Query;

    #[Object]
    impl Query {
        async fn users(&self) -> Vec<User> {
            data::USERS.iter().map(User::from).collect()
        }

        #[graphql(entity)]
        async fn find_member(&self, id: ID) -> Option<Member> {
            catalogue::member(&id).map(Member::from)
        }

        #[graphql(entity)]
        async fn find_article(&self, sku: String) -> Article {
            Article { sku }
        }

        #[graphql(entity)]
        async fn find_user(&self, id: ID) -> Option<User> {
            data::USERS.iter().find(|user| user.id == *id).map(User::from)
        }
    }
}

mod products {
    use super::*;

    #[derive(SimpleObject)]
    pub struct Product {
        upc: &'static str,
        name: &'static str,
        price: Option<i32>,
        weight: Option<i32>,
    }

    impl From<&data::Product> for Product {
        fn from(product: &data::Product) -> Self {
            Self { upc: product.upc, name: product.name, price: Some(product.price), weight: Some(product.weight) }
        }
    }

    #[derive(SimpleObject)]
    pub struct Article {
        sku: String,
        title: String,
        price: Option<i32>,
        weight: Option<i32>,
    }

    impl From<catalogue::Article> for Article {
        fn from(article: catalogue::Article) -> Self {
            let catalogue::Article { sku, title, price, weight } = article;
            Self { sku, title, price: Some(price), weight: Some(weight) }
        }
    }

    pub struct Query;

    #[Object]
    impl Query {
        async fn catalogue(&self) -> Vec<Article> {
            catalogue::articles().map(Article::from).collect()
        }

        #[graphql(entity)]
        async fn find_article(&self, sku: String) -> Option<Article> {
            catalogue::article(&sku).map(Article::from)
        }

        async fn top_products(&self, first: Option<usize>) -> Vec<Product> {
            data::PRODUCTS.iter().take(first.unwrap_or(usize::MAX)).map(Product::from).collect()
        }

        #[graphql(entity)]
        async fn find_product(&self, upc: String) -> Option<Product> {
            data::PRODUCTS.iter().find(|product| product.upc == upc).map(Product::from)
        }
    }
}

mod reviews {
    use super::*;

    #[derive(SimpleObject)]
    pub struct Review {
        id: ID,
        body: &'static str,
        author: User,
        product: Product,
    }

    #[derive(SimpleObject)]
    #[graphql(complex)]
    pub struct User {
        id: ID,
    }

    #[derive(SimpleObject)]
    #[graphql(complex)]
    pub struct Product {
        upc: String,
    }

    impl From<&data::Review> for Review {
        fn from(review: &data::Review) -> Self {
            Self {
                id: review.id.into(),
                body: review.body,
                author: User { id: review.author.into() },
                product: Product { upc: review.product.into() },
            }
        }
    }

    #[ComplexObject]
    impl User {
        async fn reviews(&self) -> Vec<Review> {
            data::reviews_of_user(&self.id).map(Review::from).collect()
        }
    }

    #[ComplexObject]
    impl Product {
        async fn reviews(&self) -> Vec<Review> {
            data::reviews_of_product(&self.upc).map(Review::from).collect()
        }
    }

    #[derive(SimpleObject)]
    #[graphql(complex)]
    pub struct Article {
        sku: String,
    }

    #[derive(SimpleObject)]
    pub struct Opinion {
        id: ID,
        body: String,
        writer: Member,
    }

    #[derive(SimpleObject)]
    pub struct Member {
        id: ID,
    }

    #[ComplexObject]
    impl Article {
        async fn opinions(&self) -> Vec<Opinion> {
            let opinion = |catalogue::Opinion { id, body, writer }| Opinion {
                id: id.into(),
                body,
                writer: Member { id: writer.into() },
            };
            catalogue::opinions(&self.sku).map(opinion).collect()
        }
    }

    pub struct Query;

    #[Object]
    impl Query {
        #[graphql(entity)]
        async fn find_article(&self, sku: String) -> Article {
            Article { sku }
        }

        #[graphql(entity)]
        async fn find_member(&self, id: ID) -> Member {
            Member { id }
        }

        #[graphql(entity)]
        async fn find_user(&self, id: ID) -> User {
            User { id }
        }

        #[graphql(entity)]
        async fn find_product(&self, upc: String) -> Product {
            Product { upc }
        }

        #[graphql(entity)]
        async fn find_review(&self, id: ID) -> Option<Review> {
            data::REVIEWS.iter().find(|review| review.id == *id).map(Review::from)
        }
    }
}

mod inventory {
    use super::*;

    #[derive(SimpleObject)]
    #[graphql(complex)]
    pub struct Product {
        upc: String,
        #[graphql(external)]
        price: Option<i32>,
        #[graphql(external)]
        weight: Option<i32>,
    }

    #[ComplexObject]
    impl Product {
        async fn in_stock(&self) -> bool {
            data::in_stock(&self.upc)
        }

        #[graphql(requires = "price weight")]
        async fn shipping_estimate(&self) -> Option<i32> {
            Some(data::shipping_estimate(self.price?, self.weight?))
        }
    }

    #[derive(SimpleObject)]
    #[graphql(complex)]
    pub struct Article {
        sku: String,
        #[graphql(external)]
        price: Option<i32>,
        #[graphql(external)]
        weight: Option<i32>,
    }

    #[ComplexObject]
    impl Article {
        async fn in_stock(&self) -> bool {
            data::in_stock(self.sku.trim_start_matches('A'))
        }

        #[graphql(requires = "price weight")]
        async fn shipping_estimate(&self) -> Option<i32> {
            Some(data::shipping_estimate(self.price?, self.weight?))
        }
    }

    pub struct Query;

    #[Object]
    impl Query {
        #[graphql(entity)]
        async fn find_article(&self, #[graphql(key)] sku: String, price: Option<i32>, weight: Option<i32>) -> Article {
            Article { sku, price, weight }
        }

        #[graphql(entity)]
        async fn find_product(&self, #[graphql(key)] upc: String, price: Option<i32>, weight: Option<i32>) -> Product {
            Product { upc, price, weight }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_supergraph_is_current() {
        let composed = supergraph(&urls(PORT)).unwrap();
        assert_eq!(
            composed.trim_end(),
            include_str!("../../federation/supergraph.graphql").trim_end(),
            "write it by: cargo run -p hansa-bench -- supergraph > benches/federation/supergraph.graphql"
        );
    }
}
