//! Which port a server gets: the configured one, else the usual one, else any free one.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result};

use super::server::Server;

/// Picks a free port for every server; with each comes the port it had before, which shells already point to.
///
/// # Errors
/// When a configured port is not a port, or no port is free.
pub fn pick_all(servers: &[(Server, Option<u16>)]) -> Result<Vec<(Server, u16)>> {
    // Every port stays bound until all are chosen, so that no two servers get the same one.
    let mut held = Vec::new();
    for &(server, before) in servers {
        let wish = first_wish(server)?;
        let other = before.filter(|_| configured(server).is_ok_and(|port| port.is_none())).unwrap_or(wish);
        let listener = bind(other).or_else(|_| bind(wish)).or_else(|_| bind(0)).context("looking for a free port on 127.0.0.1")?;
        let port = listener.local_addr().context("looking for a free port on 127.0.0.1")?.port();
        held.push((server, port, listener));
    }
    Ok(held.into_iter().map(|(server, port, _)| (server, port)).collect())
}

/// The port a server gets when nobody else has it: the configured one, else its usual one.
///
/// # Errors
/// When the configured port is not a port.
pub fn first_wish(server: Server) -> Result<u16> {
    Ok(configured(server)?.unwrap_or_else(|| server.default_port()))
}

/// The port the environment asks for.
///
/// # Errors
/// When the variable holds something else than a port.
fn configured(server: Server) -> Result<Option<u16>> {
    let variable = server.port_variable();
    match std::env::var(variable) {
        Ok(text) => parse(&text).with_context(|| format!("reading {variable}={text:?}: a port from 1 to 65535 is wanted")).map(Some),
        Err(_) => Ok(None),
    }
}

fn parse(text: &str) -> Result<u16> {
    let port: std::num::NonZeroU16 = text.trim().parse()?;
    Ok(port.get())
}

fn bind(port: u16) -> std::io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_gives_way_to_a_free_one() {
        let wish = first_wish(Server::Moto).expect("is a port");
        let _taken = bind(wish);
        let picked = pick_all(&[(Server::Moto, None), (Server::MongoDb, None)]).expect("picks");
        assert_ne!(picked[0].1, wish);
        assert_ne!(picked[0].1, picked[1].1);
        let again = pick_all(&[(Server::Moto, Some(picked[0].1))]).expect("picks");
        assert_eq!(again, [picked[0]], "the port it had before is free and wanted again");
    }

    #[test]
    fn a_port_is_a_number_that_can_be_bound() {
        assert_eq!(parse(" 4566 ").expect("parses"), 4566);
        for wrong in ["", "0", "70000", "http"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
