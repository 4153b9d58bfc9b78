//! The answers, straight from the data: no GraphQL in it.

use crate::federation::catalogue::{self, Article, Opinion};
use crate::federation::data::{self, PRODUCTS, Product, Review, USERS, User};
use serde_json::{Value, json};

/// The answer to `deep.graphql`.
pub fn deep() -> Value {
    let users: Vec<Value> = USERS
        .iter()
        .map(|user| {
            let reviews = data::reviews_of_user(user.id).map(|review| {
                let product = data::product(review.product);
                with(reviewed(review), "product", with(bought(product), "reviews", reviews_with_authors(product)))
            });
            with(person(user), "reviews", reviews.collect())
        })
        .collect();
    let products: Vec<Value> =
        PRODUCTS.iter().map(|product| with(bought(product), "reviews", reviews_with_authors(product))).collect();
    json!({ "data": { "users": users, "topProducts": products } })
}

/// The answer to `wide.graphql`.
pub fn wide() -> Value {
    let latest = |sku: &str| catalogue::article(sku).map(|article| json!({ "sku": sku, "title": article.title }));
    let writer = |id: &str| {
        let member = catalogue::member(id)?;
        Some(json!({
            "id": id,
            "handle": member.handle,
            "name": member.name,
            "latest": latest(&member.latest),
        }))
    };
    let opinion =
        |opinion: Opinion| json!({ "id": opinion.id, "body": opinion.body, "writer": writer(&opinion.writer) });
    let article = |article: Article| {
        json!({
            "sku": article.sku,
            "title": article.title,
            "price": article.price,
            "weight": article.weight,
            "inStock": data::in_stock(article.sku.trim_start_matches('A')),
            "shippingEstimate": data::shipping_estimate(article.price, article.weight),
            "opinions": catalogue::opinions(&article.sku).map(opinion).collect::<Vec<_>>(),
        })
    };
    json!({ "data": { "catalogue": catalogue::articles().map(article).collect::<Vec<_>>() } })
}

/// The answer to `trivial.graphql`.
pub fn trivial() -> Value {
    let product = |product: &Product| json!({ "upc": product.upc, "name": product.name, "price": product.price });
    json!({ "data": { "topProducts": PRODUCTS.iter().take(2).map(product).collect::<Vec<_>>() } })
}

fn reviews_with_authors(product: &Product) -> Value {
    data::reviews_of_product(product.upc)
        .map(|review| {
            let author = data::user(review.author);
            let reviews = data::reviews_of_user(author.id)
                .map(|review| with(reviewed(review), "product", bought(data::product(review.product))));
            with(reviewed(review), "author", with(person(author), "reviews", reviews.collect()))
        })
        .collect()
}

fn person(user: &User) -> Value {
    json!({ "id": user.id, "username": user.username, "name": user.name })
}

fn reviewed(review: &Review) -> Value {
    json!({ "id": review.id, "body": review.body })
}

fn bought(product: &Product) -> Value {
    json!({
        "inStock": data::in_stock(product.upc),
        "name": product.name,
        "price": product.price,
        "shippingEstimate": data::shipping_estimate(product.price, product.weight),
        "upc": product.upc,
        "weight": product.weight,
    })
}

fn with(mut object: Value, field: &str, value: Value) -> Value {
    object[field] = value;
    object
}
