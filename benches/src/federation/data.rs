//! What the subgraphs know: fixed, so that every answer is.

/// A row of accounts.
pub struct User {
    pub id: &'static str,
    pub username: &'static str,
    pub name: &'static str,
}

/// A row of products.
pub struct Product {
    pub upc: &'static str,
    pub name: &'static str,
    pub price: i32,
    /// In grams.
    pub weight: i32,
}

/// A row of reviews.
pub struct Review {
    pub id: &'static str,
    pub author: &'static str,
    pub product: &'static str,
    pub body: &'static str,
}

pub const USERS: [User; 6] = [
    User { id: "1", username: "ada", name: "Ada Lovelace" },
    User { id: "2", username: "grace", name: "Grace Hopper" },
    User { id: "3", username: "edsger", name: "Edsger Dijkstra" },
    User { id: "4", username: "barbara", name: "Barbara Liskov" },
    User { id: "5", username: "tony", name: "Tony Hoare" },
    User { id: "6", username: "frances", name: "Frances Allen" },
];

pub const PRODUCTS: [Product; 9] = [
    Product { upc: "1", name: "Table", price: 899, weight: 100 },
    Product { upc: "2", name: "Couch", price: 1299, weight: 1000 },
    Product { upc: "3", name: "Glass", price: 15, weight: 20 },
    Product { upc: "4", name: "Chair", price: 499, weight: 100 },
    Product { upc: "5", name: "Screen", price: 1299, weight: 1000 },
    Product { upc: "6", name: "Lamp", price: 699, weight: 300 },
    Product { upc: "7", name: "Grill", price: 3999, weight: 2000 },
    Product { upc: "8", name: "Fridge", price: 10000, weight: 6000 },
    Product { upc: "9", name: "Sofa", price: 9999, weight: 800 },
];

pub const REVIEWS: [Review; 26] = [
    review("1", "1", "1", "Stands on all four legs."),
    review("2", "1", "2", "Too deep for reading, just right for sleeping."),
    review("3", "1", "3", "It broke. So did its successor."),
    review("4", "1", "4", "Creaks in every key but one."),
    review("5", "2", "1", "I would buy it again."),
    review("6", "2", "5", "The picture is better than what is on."),
    review("7", "2", "6", "Bright, even when switched off."),
    review("8", "2", "7", "The neighbours came over."),
    review("9", "3", "8", "Keeps its cool."),
    review("10", "3", "9", "Goto considered, then I sat down."),
    review("11", "3", "1", "The surface is plain, the drawer is deep."),
    review("12", "4", "2", "Can be replaced by any other couch."),
    review("13", "4", "3", "Holds water."),
    review("14", "4", "4", "As described."),
    review("15", "5", "5", "Arrived quickly, sorted."),
    review("16", "5", "6", "A null among lamps."),
    review("17", "5", "7", "Everything is done at the same time."),
    review("18", "6", "8", "Efficient."),
    review("19", "6", "9", "It was optimised for looks."),
    review("20", "6", "1", "Loved it \"as is\"; 10 € well spent."),
    review("21", "4", "1", "A subtype of desk, and used as one."),
    review("22", "5", "2", "Soft, and proven so."),
    review("23", "6", "3", "Saw through it at once."),
    review("24", "4", "5", "Black, with a hint of blue."),
    review("25", "5", "4", "One leg was never needed."),
    review("26", "6", "7", "Runs two at once."),
];

const fn review(id: &'static str, author: &'static str, product: &'static str, body: &'static str) -> Review {
    Review { id, author, product, body }
}

/// The user with this id, one that exists.
pub fn user(id: &str) -> &'static User {
    USERS.iter().find(|user| user.id == id).expect("reviews are by users who exist")
}

/// The product with this code, one that exists.
pub fn product(upc: &str) -> &'static Product {
    PRODUCTS.iter().find(|product| product.upc == upc).expect("reviews are of products that exist")
}

/// What a user has written, in order.
pub fn reviews_of_user(id: &str) -> impl Iterator<Item = &'static Review> {
    REVIEWS.iter().filter(move |review| review.author == id)
}

/// What was written about a product, in order.
pub fn reviews_of_product(upc: &str) -> impl Iterator<Item = &'static Review> {
    REVIEWS.iter().filter(move |review| review.product == upc)
}

/// Every third product is sold out.
pub fn in_stock(upc: &str) -> bool {
    upc.parse::<u32>().is_ok_and(|upc| upc % 3 != 0)
}

/// Free for what is dear, half a unit per gram otherwise.
pub fn shipping_estimate(price: i32, weight: i32) -> i32 {
    if price > 1000 { 0 } else { weight / 2 }
}
