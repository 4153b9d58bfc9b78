//! stub
#[derive(Debug, thiserror::Error)]
pub enum Error {}
pub struct Record { pub key: String, pub payload: Vec<u8> }
pub struct Delivery { pub topic: String, pub partition: i32, pub offset: i64, pub key: String, pub payload: Vec<u8> }
#[derive(Clone, Debug)]
pub enum Bus { }
pub struct Consumer;
impl Bus {
  pub async fn embedded(_: sea_orm::DatabaseConnection) -> Result<Bus, Error> { unimplemented!() }
  pub async fn publish(&self, _: &str, _: Vec<Record>) -> Result<(), Error> { unimplemented!() }
  pub async fn consumer(&self, _: &str, _: &[&str]) -> Result<Consumer, Error> { unimplemented!() }
}
impl Consumer { pub async fn next(&mut self) -> Result<Delivery, Error> { unimplemented!() }
 pub async fn commit(&mut self, _: &Delivery) -> Result<(), Error> { unimplemented!() } }
