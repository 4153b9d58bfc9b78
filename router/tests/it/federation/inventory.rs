use super::*;

#[derive(SimpleObject)]
#[graphql(complex)]
pub struct Product {
    id: ID,
    #[graphql(external)]
    price: i32,
    #[graphql(external)]
    weight: Option<i32>,
    /// Must not be null, and is for what is not kept.
    stock: i32,
}

#[ComplexObject]
impl Product {
    #[graphql(requires = "price weight")]
    async fn shipping(&self) -> String {
        format!("price {} weight {:?}", self.price, self.weight)
    }
}

pub struct Query;

#[Object]
impl Query {
    async fn warehouses(&self) -> i32 {
        1
    }

    #[graphql(entity)]
    async fn find_product(&self, #[graphql(key)] id: ID, price: Option<i32>, weight: Option<i32>) -> Option<Product> {
        (&*id != "p3").then(|| Product { id, price: price.unwrap_or(-1), weight, stock: 7 })
    }
}
