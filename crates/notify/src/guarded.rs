//! Posts to addresses that others chose: only to where they could reach by themselves, never to this machine or its network.
//!
//! The name is resolved once, what it resolves to is looked at, and the connection is made to just that; redirections are not
//! followed. So no answer of a name server, however it changes, leads inside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Url};

/// How long an address may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of an answer that are kept.
const KEPT: usize = 1000;

/// Posts to addresses that others chose.
#[derive(Debug, Clone, Copy, Default)]
pub struct GuardedCourier {
    reaches_inside: bool,
}

impl GuardedCourier {
    /// One that also posts without TLS and to private addresses, for networks where all is trusted.
    pub fn reaching_inside() -> Self {
        Self { reaches_inside: true }
    }

    /// Posts `body`; answers the status and the beginning of the answer.
    ///
    /// # Errors
    /// Why the address is refused or does not answer.
    pub async fn post(
        &self,
        url: &str,
        headers: &[(&'static str, String)],
        body: String,
    ) -> Result<(u16, String), String> {
        let url: Url = url.parse().map_err(|error| format!("the address is not a URL: {error}"))?;
        let client = self.client(&url).await?;
        let mut request = client.post(url).body(body);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let mut response = request.send().await.map_err(|error| error.without_url().to_string())?;
        let status = response.status().as_u16();
        let mut kept = Vec::new();
        while kept.len() < KEPT {
            match response.chunk().await {
                Ok(Some(piece)) => kept.extend_from_slice(&piece),
                // The status is what counts.
                Ok(None) | Err(_) => break,
            }
        }
        kept.truncate(KEPT);
        Ok((status, String::from_utf8_lossy(&kept).into_owned()))
    }

    /// A client that connects to what the host resolves to now, if that is no inside.
    async fn client(&self, url: &Url) -> Result<Client, String> {
        let host = url.host_str().ok_or("the address has no host")?;
        if url.scheme() != "https" && !self.reaches_inside {
            return Err("the address must begin with `https://`".to_owned());
        }
        let port = url.port_or_known_default().ok_or("the address has no port")?;
        let plain = host.trim_start_matches('[').trim_end_matches(']');
        let found = tokio::net::lookup_host((plain, port)).await;
        let found: Vec<SocketAddr> = found.map_err(|error| format!("`{host}` cannot be resolved: {error}"))?.collect();
        if found.is_empty() {
            return Err(format!("`{host}` resolves to nothing"));
        }
        if let Some(inside) = found.iter().find(|address| !self.reaches_inside && !is_public(address.ip())) {
            return Err(format!("`{host}` is {}, which is not a public address", inside.ip()));
        }
        Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .timeout(PATIENCE)
            .resolve_to_addrs(plain, &found)
            .build()
            .map_err(|error| error.to_string())
    }
}

/// Whether anybody could reach the address (RFC 6890); IPv4 within IPv6 is looked at as IPv4.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(address) => is_public_v4(address),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_reserved = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation();
    let is_special = matches!(
        (first, second, third),
        (0 | 240..=255, ..) | (100, 64..=127, _) | (192, 0, 0) | (192, 88, 99) | (198, 18 | 19, _)
    );
    !is_reserved && !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // Of all IPv6, 2000::/3 is given out; within it, documentation and tunnels are not.
    first & 0xe000 == 0x2000 && !(first == 0x2001 && (second < 0x0200 || second == 0x0db8)) && first != 0x3fff
}

/// The IPv4 address within a mapped, 6to4 or NAT64 one.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, high, low] = address.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => Some(of(high, low)),
        (0x2002, high, low, ..) => Some(of(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_anybody_can_reach_is_public() {
        for public in
            ["8.8.8.8", "1.1.1.1", "100.63.0.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "2001:db8::1",
            "::ffff:127.0.0.1",
            "2002:7f00:1::",
            "64:ff9b::a00:1",
            "2001::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
    }

    #[tokio::test]
    async fn addresses_inside_are_refused_by_name_and_by_number() {
        let post = async |url: &str| GuardedCourier::default().post(url, &[], String::new()).await.unwrap_err();
        assert_eq!(post("http://example.com/").await, "the address must begin with `https://`");
        assert_eq!(post("https://127.0.0.1:1/").await, "`127.0.0.1` is 127.0.0.1, which is not a public address");
        assert!(post("https://localhost/").await.contains("is not a public address"));
        assert!(post("https://[::1]/").await.contains("is not a public address"));
        assert!(post("https://2130706433/").await.contains("is not a public address"));
        assert!(post("no address").await.contains("is not a URL"));
    }
}
