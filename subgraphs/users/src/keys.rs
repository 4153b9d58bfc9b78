//! Signing keys: Ed25519, made on first need, rotated, and published (RFC 7517) before they sign and after.
//!
//! Keys count up. The next one is made a day before the present one stops signing, so that every verifier has it by then;
//! the old one is published for a day longer. Replicas that make a key at once agree by its number, which is unique.

use crate::{
    Error,
    entity::signing_key::{ActiveModel, Column, Entity, Model},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Duration, Utc};
use ed25519_dalek::{
    SigningKey,
    pkcs8::{EncodePrivateKey, KeypairBytes},
};
use hansa_token::{Claims, JwkSet};
use jsonwebtoken::{
    Algorithm, EncodingKey, Header,
    jwk::{
        AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, KeyAlgorithm, OctetKeyPairParameters,
        OctetKeyPairType, PublicKeyUse, ThumbprintHash,
    },
};
use sea_orm::{ConnectionTrait, DbErr, QueryOrder, entity::prelude::*, sea_query::OnConflict};

/// How long a key signs.
const SIGNS: Duration = Duration::days(30);
/// How long it is published after that.
const VERIFIES_ON: Duration = Duration::days(1);
/// How long before it signs a key is published.
const PUBLISHED_AHEAD: Duration = Duration::days(1);
/// The least of that, when rotation was late: verifiers read keys every five minutes.
const MIN_PUBLISHED_AHEAD: Duration = Duration::minutes(10);

/// Signs access tokens with one key.
pub(crate) struct Signer {
    kid: String,
    key: EncodingKey,
}

impl Signer {
    /// The access token that says `claims`.
    pub fn sign(&self, claims: &Claims) -> Result<String, Error> {
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        Ok(jsonwebtoken::encode(&header, claims, &self.key)?)
    }
}

impl From<Model> for Signer {
    fn from(key: Model) -> Self {
        Self { key: EncodingKey::from_ed_der(&key.private_key), kid: key.kid }
    }
}

/// The key that signs now; made if there is none. Call it outside of transactions.
pub(crate) async fn signer<C: ConnectionTrait>(database: &C, now: DateTime<Utc>) -> Result<Signer, Error> {
    if let Some(key) = signing(database, now).await? {
        return Ok(key.into());
    }
    let previous = newest(database).await?;
    // Where another replica has made one between the two reads, this one would make its successor, and sign with it.
    if !previous.as_ref().is_some_and(|key| (key.signs_from..key.signs_until).contains(&now)) {
        make(database, previous.as_ref(), now, now).await?;
    }
    let key = signing(database, now).await?;
    Ok(key.ok_or_else(|| DbErr::RecordNotFound("the signing key just made".to_owned()))?.into())
}

/// Makes the next key when it is time to publish it, and forgets keys that verify nothing any more.
pub(crate) async fn rotate<C: ConnectionTrait>(database: &C, now: DateTime<Utc>) -> Result<(), Error> {
    match newest(database).await? {
        None => make(database, None, now, now).await?,
        Some(key) if key.signs_until - PUBLISHED_AHEAD <= now => {
            make(database, Some(&key), key.signs_until.max(now + MIN_PUBLISHED_AHEAD), now).await?;
        }
        Some(_) => {}
    }
    Entity::delete_many().filter(Column::VerifiesUntil.lte(now)).exec(database).await?;
    Ok(())
}

/// The keys that tokens may be verified with, among them those that will sign soon.
pub(crate) async fn jwks<C: ConnectionTrait>(database: &C, now: DateTime<Utc>) -> Result<JwkSet, Error> {
    let keys = Entity::find().filter(Column::VerifiesUntil.gt(now)).order_by_asc(Column::Generation).all(database);
    Ok(JwkSet { keys: keys.await?.iter().map(|key| jwk(&key.public_key, Some(key.kid.clone()))).collect() })
}

async fn signing<C: ConnectionTrait>(database: &C, now: DateTime<Utc>) -> Result<Option<Model>, DbErr> {
    Entity::find()
        .filter(Column::SignsFrom.lte(now))
        .filter(Column::SignsUntil.gt(now))
        .order_by_desc(Column::Generation)
        .one(database)
        .await
}

async fn newest<C: ConnectionTrait>(database: &C) -> Result<Option<Model>, DbErr> {
    Entity::find().order_by_desc(Column::Generation).one(database).await
}

/// Makes the key after `previous`, unless another replica has done so.
async fn make<C: ConnectionTrait>(
    database: &C,
    previous: Option<&Model>,
    signs_from: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let pair = SigningKey::from_bytes(&rand::random());
    let public_key = pair.verifying_key().to_bytes();
    // PKCS #8 version 1, without the public key: all that jsonwebtoken reads.
    let private_key = KeypairBytes { secret_key: pair.to_bytes(), public_key: None }.to_pkcs8_der()?;
    let signs_until = signs_from + SIGNS;
    let key = Model {
        kid: jwk(&public_key, None).thumbprint(ThumbprintHash::SHA256)?,
        private_key: private_key.as_bytes().to_vec(),
        public_key: public_key.to_vec(),
        generation: previous.map_or(1, |previous| previous.generation + 1),
        created_at: now,
        signs_from,
        signs_until,
        verifies_until: signs_until + VERIFIES_ON,
    };
    Entity::insert(ActiveModel::from(key))
        .on_conflict(OnConflict::column(Column::Generation).do_nothing().to_owned())
        .exec_without_returning(database)
        .await?;
    Ok(())
}

/// A public key as a JWK (RFC 8037 §2).
fn jwk(public_key: &[u8], kid: Option<String>) -> Jwk {
    Jwk {
        common: CommonParameters {
            public_key_use: Some(PublicKeyUse::Signature),
            key_algorithm: Some(KeyAlgorithm::EdDSA),
            key_id: kid,
            ..CommonParameters::default()
        },
        algorithm: AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
            key_type: OctetKeyPairType::OctetKeyPair,
            curve: EllipticCurve::Ed25519,
            x: URL_SAFE_NO_PAD.encode(public_key),
        }),
    }
}
