//! stub
#![expect(missing_docs)]
use crate::{clock::Clock, secret::Secret};
use std::collections::BTreeMap;
pub const NOT_MODELLED: &[&str] = &[];
#[derive(Clone)]
pub struct Cloud;
pub struct World;
pub struct Credentials {
    pub access_key_id: crate::ids::AccessKeyId,
    pub secret: Secret,
    pub session_token: Option<Secret>,
}
pub struct Reach {
    pub credential: String,
    pub allowed: Vec<String>,
}
pub struct ConsumerState {
    pub name: String,
    pub works: bool,
    pub why: Option<String>,
}
#[derive(Debug, thiserror::Error)]
#[error("w")]
pub struct WorldError;
impl World {
    pub fn parse(_: &str) -> Result<Self, WorldError> {
        todo!()
    }
    pub fn now(&self) -> jiff::Timestamp {
        todo!()
    }
    pub fn rehearsal_inputs(&self) -> &BTreeMap<String, serde_json::Value> {
        todo!()
    }
}
impl Cloud {
    pub fn new(_: &World, _: Clock) -> Self {
        Self
    }
    pub fn load(_: &serde_json::Value, _: Clock) -> Result<Self, WorldError> {
        todo!()
    }
    pub fn save(&self) -> serde_json::Value {
        todo!()
    }
    pub fn http_client(&self) -> aws_smithy_runtime_api::client::http::SharedHttpClient {
        todo!()
    }
    pub fn responder_credentials(&self) -> Credentials {
        todo!()
    }
    pub async fn serve(
        &self,
        _: tokio::net::TcpListener,
        _: impl Future<Output = ()>,
    ) -> std::io::Result<()> {
        todo!()
    }
    pub fn intruder_reach(&self) -> Vec<Reach> {
        todo!()
    }
    pub fn consumers(&self) -> Vec<ConsumerState> {
        todo!()
    }
}
pub fn saved_at(_: &serde_json::Value) -> Result<jiff::Timestamp, WorldError> {
    todo!()
}
