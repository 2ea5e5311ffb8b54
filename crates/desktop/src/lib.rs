//! Windows on the desktop of the user: [`dialog`] shows messages, questions and progress with what
//! the desktop has, [`kdialog`] is how KDE's dialogs are spoken to. [`notifier`] shows notifications
//! with `notify-send`, and waits for a click on them. With the feature `notification` there is also
//! `notification`, which shows an error of a program that has no window, and with the feature `x11` there
//! is `x11`, which connects to an X server of this qube.

pub mod dialog;
pub mod kdialog;
#[cfg(feature = "notification")]
pub mod notification;
pub mod notifier;
mod plain;
#[cfg(feature = "x11")]
pub mod x11;
