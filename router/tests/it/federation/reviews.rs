use super::*;

#[derive(SimpleObject, Clone)]
pub struct Review {
    id: ID,
    body: String,
    product: Option<Product>,
    #[graphql(provides = "username")]
    author: Option<User>,
}

#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct Product {
    id: ID,
}

#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub struct User {
    id: ID,
    #[graphql(external)]
    username: String,
}

#[derive(SimpleObject, Clone)]
pub struct Book {
    id: ID,
    stars: i32,
}

#[derive(SimpleObject, Clone)]
pub struct Gadget {
    id: ID,
    stars: i32,
}

fn all() -> Vec<Review> {
    let review = |id: &str, product: &str, author: &str| Review {
        id: id.into(),
        body: format!("review {id}"),
        product: Some(Product { id: product.into() }),
        author: Some(User { id: author.into(), username: format!("{author} as provided") }),
    };
    vec![review("r1", "p1", "u1"), review("r2", "p1", "u1"), review("r3", "p2", "u2"), review("r4", "p1", "gone")]
}

#[ComplexObject]
impl Product {
    async fn reviews(&self) -> Result<Option<Vec<Review>>, Error> {
        if &*self.id == "p3" {
            return Err(Error::new("no reviews here"));
        }
        Ok(Some(all().into_iter().filter(|review| review.product.as_ref().unwrap().id == self.id).collect()))
    }
}

#[ComplexObject]
impl User {
    async fn reviews(&self) -> Vec<Review> {
        all().into_iter().filter(|review| review.author.as_ref().unwrap().id == self.id).collect()
    }
}

pub struct Query;

#[Object]
impl Query {
    async fn reviews(&self) -> Vec<Review> {
        all()
    }

    #[graphql(entity)]
    async fn find_product(&self, id: ID) -> Product {
        Product { id }
    }

    #[graphql(entity)]
    async fn find_user(&self, id: ID) -> User {
        User { id, username: String::new() }
    }

    #[graphql(entity)]
    async fn find_book(&self, id: ID) -> Book {
        Book { id, stars: 4 }
    }

    #[graphql(entity)]
    async fn find_gadget(&self, id: ID) -> Gadget {
        Gadget { id, stars: 2 }
    }
}

pub struct Mutation;

#[Object]
impl Mutation {
    async fn review_add(&self, ctx: &Context<'_>, body: String) -> Result<Review, Error> {
        ctx.data_unchecked::<Journal>().lock().unwrap().push(format!("review {body}"));
        Ok(Review { body, ..all().remove(0) })
    }
}
