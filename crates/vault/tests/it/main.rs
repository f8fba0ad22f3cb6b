//! What the vault promises to the other crates, tried from outside.

#[cfg(test)]
mod backups;
#[cfg(test)]
mod blocks;
#[cfg(test)]
mod checkpoints;
#[cfg(test)]
mod envelopes;
#[cfg(test)]
mod key_file;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod pins;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod rsa_keys;
#[cfg(test)]
mod secrecy;
#[cfg(test)]
mod signatures;
#[cfg(test)]
mod signing;
#[cfg(test)]
mod stored;
#[cfg(test)]
mod tokens;
