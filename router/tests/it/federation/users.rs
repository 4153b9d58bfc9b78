use super::*;

#[derive(SimpleObject)]
pub struct User {
    id: ID,
    name: String,
    #[graphql(shareable)]
    username: String,
}

fn find(id: &str) -> Option<User> {
    let name = match id {
        "u1" => "Ada",
        "u2" => "Bob",
        _ => return None,
    };
    Some(User { id: id.into(), name: name.into(), username: name.to_lowercase() })
}

pub struct Query;

#[Object]
impl Query {
    async fn me(&self) -> Option<User> {
        find("u1")
    }

    #[graphql(entity)]
    async fn find_user(&self, id: ID) -> Option<User> {
        find(&id)
    }
}
