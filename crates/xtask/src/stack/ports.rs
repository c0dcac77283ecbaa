//! Which port a server gets: the configured one, else the usual one, else any free one.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result};

use super::server::Server;

/// Picks a free port for a server.
///
/// # Errors
/// When the configured port is not a port, or no port is free.
pub fn pick(server: Server) -> Result<u16> {
    let wish = first_wish(server)?;
    if is_free(wish) { Ok(wish) } else { any_free() }
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

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn any_free() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port on 127.0.0.1")?;
    Ok(listener.local_addr().context("looking for a free port on 127.0.0.1")?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_not_taken() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("binds");
        let port = taken.local_addr().expect("has an address").port();
        assert!(!is_free(port));
        let other = any_free().expect("finds one");
        assert_ne!(other, port);
        assert!(is_free(other));
    }

    #[test]
    fn a_port_is_a_number_that_can_be_bound() {
        assert_eq!(parse(" 4566 ").expect("parses"), 4566);
        for wrong in ["", "0", "70000", "http"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
