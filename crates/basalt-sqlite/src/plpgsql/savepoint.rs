//! What a block with handlers can be put back to.

use std::sync::Arc;

use basalt_catalog::Catalog;
use basalt_types::SqlError;

use crate::commit::LateMark;
use crate::routine::Scene;

/// The state of the transaction at a block's beginning. Nothing where nothing can be written.
pub(super) struct Mark(Option<Before>);

struct Before {
    late: LateMark,
    catalog: Arc<Catalog>,
}

impl Mark {
    /// Begins a block.
    ///
    /// # Errors
    /// What SQLite reports.
    pub(super) fn set(scene: &Scene<'_>) -> Result<Self, SqlError> {
        let Some(desk) = scene.desk().filter(|desk| desk.connection.in_transaction()) else { return Ok(Self(None)) };
        desk.connection.execute("SAVEPOINT plpgsql")?;
        Ok(Self(Some(Before { late: desk.late.mark(), catalog: desk.catalog() })))
    }

    /// Whether the transaction is still there: a full disk, say, takes it back as a whole.
    pub(super) fn is_alive(&self, scene: &Scene<'_>) -> bool {
        self.0.is_none() || scene.connection().in_transaction()
    }

    /// The block went well.
    ///
    /// # Errors
    /// What SQLite reports.
    pub(super) fn keep(self, scene: &Scene<'_>) -> Result<(), SqlError> {
        if self.0.is_some() {
            scene.connection().execute("RELEASE plpgsql")?;
        }
        Ok(())
    }

    /// The block failed: what it did is undone. Sequences stay where they are.
    ///
    /// # Errors
    /// What SQLite reports.
    pub(super) fn undo(self, scene: &Scene<'_>) -> Result<(), SqlError> {
        let (Some(before), Some(desk)) = (self.0, scene.desk()) else { return Ok(()) };
        desk.connection.execute("ROLLBACK TO plpgsql")?;
        desk.connection.execute("RELEASE plpgsql")?;
        desk.late.back_to(before.late);
        let now = desk.catalog();
        if !Arc::ptr_eq(&before.catalog, &now) {
            // Versions are never given twice, so that nothing that was analysed in the block is taken for something later.
            let mut catalog = Catalog::clone(&before.catalog);
            catalog.set_version(now.version() + 1);
            desk.set_catalog(Arc::new(catalog));
            desk.connection.forget_statements();
        }
        Ok(())
    }
}
