//! The way to the CA: our own client, with its guard, its limits and its choice of whom to believe.

use std::convert::Infallible;
use std::pin::Pin;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

use crate::net::fetch::Fetcher;

pub(super) struct Transport(pub(super) Fetcher);

type Answer = Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>>;

impl HttpClient for Transport {
    fn request(&self, request: Request<BodyWrapper<Bytes>>) -> Answer {
        let fetcher = self.0.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap_or_else(|never: Infallible| match never {}).to_bytes();
            let fetched = fetcher.fetch(Request::from_parts(parts, body)).await;
            let response = fetched.map_err(|error| Error::Other(Box::new(error)))?;
            Ok(BytesResponse::from(response.map(Full::new)))
        })
    }
}
