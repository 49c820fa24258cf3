//! What a server tells of itself: its version, and the licence slots that are left.
//!
//! The licence is the official iikoServer REST API's. `get_server_info.jsp`, which needs no login, is not in that
//! documentation; iiko's own programs and many clients ask it, so what it says is shown and nothing depends on it.

use super::Client;
use crate::{
    engine::frame::Shape,
    error::Result,
    http::{Accept, Request, list},
};
use quick_xml::{Reader, events::Event};

/// The module of the API in a licence (iikoServer REST API, licence information).
const API_MODULE: &str = "28008806";

/// A server's answer about itself is a few lines; longer than this it is something else, in bytes.
const MAX_INFO: usize = 64 << 10;

/// What a server says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Its version, such as `9.1.7015.0`.
    pub version: Option<String>,
    /// Its state, such as `STARTED_SUCCESSFULLY`.
    pub state: Option<String>,
}

impl Client {
    /// Asks the server about itself; nothing where it does not tell.
    pub async fn about(&self) -> About {
        let request = Request::get("../get_server_info.jsp", Accept::Text).query([("encoding", "UTF-8")]);
        let asked = async {
            let answer = self.send_open(&request).await?;
            if !answer.status.is_success() {
                return Ok(Vec::new());
            }
            answer.bytes(MAX_INFO).await
        };
        match asked.await {
            Ok(body) => read_about(&body),
            Err(trouble) => {
                tracing::debug!("{}", trouble.failure);
                About::default()
            }
        }
    }

    /// How many licence slots of the API are left.
    pub async fn free_licences(&self) -> Result<String> {
        let request = Request::get("licence/info", Accept::Text).query([("moduleId", API_MODULE)]);
        let body = self.read(&request, async |answer| answer.bytes(4096).await).await?;
        Ok(crate::error::quote(&String::from_utf8_lossy(&body), 60))
    }

    /// Reads the smallest list that every user of the API may read, and counts it: the login really opens the data.
    pub async fn count_product_groups(&self) -> Result<usize> {
        let request = Request::get("v2/entities/products/group/list", Accept::Json);
        self.read(&request, async |answer| {
            let mut count = 0;
            list::records(answer, Shape::List, |_| {
                count += 1;
                Ok(())
            })
            .await?;
            Ok(count)
        })
        .await
    }
}

/// The version and the state in `<r>…<version>…</version>…</r>`; whatever else stands there tells nothing.
fn read_about(body: &[u8]) -> About {
    let text = String::from_utf8_lossy(body);
    let mut reader = Reader::from_str(&text);
    let (mut about, mut within) = (About::default(), String::new());
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => start.local_name().as_ref().clone_into(&mut within),
            Ok(Event::Text(text)) => {
                let said = Some(crate::error::quote(&text, 60)).filter(|text| !text.is_empty());
                match within.as_str() {
                    "version" => about.version = said,
                    "serverState" => about.state = said,
                    _ => {}
                }
            }
            Ok(Event::End(_)) => within.clear(),
            Ok(Event::Eof) | Err(_) => return about,
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_tells_its_version_and_a_page_tells_nothing() {
        let body = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<r><serverName>Chain</serverName>\n\
            <version>9.1.7015.0</version><serverState>STARTED_SUCCESSFULLY</serverState></r>";
        let about = read_about(body);
        assert_eq!(about.version.as_deref(), Some("9.1.7015.0"));
        assert_eq!(about.state.as_deref(), Some("STARTED_SUCCESSFULLY"));
        for body in [&b"<html><title>iiko</title></html>"[..], b"", b"9.1", b"<r><version>"] {
            assert_eq!(read_about(body), About::default());
        }
    }
}
