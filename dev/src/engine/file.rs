//! The file of the database.

use dynoxide::{Database, DynoxideError};
use rusqlite::Connection;

use crate::StartError;

/// How long the records of a stream are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// For 24 hours, as on AWS ("Change data capture for DynamoDB Streams").
    Day,
    /// Until the file is deleted.
    Forever,
}

/// The engine gives each stream record the number after the greatest one, which it would otherwise
/// look for in all records: every write would take longer than the one before.
const INDEXES: &str = "
    CREATE INDEX IF NOT EXISTS hallpass_stream_number
        ON _stream_records (table_name, CAST(sequence_number AS INTEGER));
    CREATE INDEX IF NOT EXISTS hallpass_stream_position
        ON _stream_records (table_name, shard_id, CAST(sequence_number AS INTEGER));
";

/// The engine itself never deletes a stream record.
const DELETION: &str = "
    CREATE INDEX IF NOT EXISTS hallpass_stream_age ON _stream_records (created_at);
    CREATE TRIGGER IF NOT EXISTS hallpass_stream_retention AFTER INSERT ON _stream_records
        BEGIN DELETE FROM _stream_records WHERE created_at < NEW.created_at - 86400; END;
";

/// Opens the database in this file, or creates it. The name can also be a `SQLite` URI.
///
/// # Errors
/// Returns a [`StartError`] if the file cannot be opened.
pub fn open(file: &str, retention: Retention) -> Result<Database, StartError> {
    let failed = |error: DynoxideError| StartError::new(format!("cannot open {file}"), error);
    let database = Database::new(file).map_err(failed)?;
    // The engine has created its tables by now, and leaves what else is in the file.
    let schema = match retention {
        Retention::Day => format!("{INDEXES}{DELETION}"),
        Retention::Forever => INDEXES.to_owned(),
    };
    Connection::open(file)
        .and_then(|connection| connection.execute_batch(&schema))
        .map_err(|error| failed(error.into()))?;
    Ok(database)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stream_record_is_deleted_with_the_first_write_after_24_hours() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("database");
        let file = file.to_str().unwrap();
        let database = open(file, Retention::Day).unwrap();
        let create = json!({
            "TableName": "Table",
            "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"},
        });
        database.create_table(serde_json::from_value(create).unwrap()).unwrap();
        let put = |id: &str| {
            let item = json!({"TableName": "Table", "Item": {"id": {"S": id}}});
            database.put_item(serde_json::from_value(item).unwrap()).unwrap();
        };
        let connection = Connection::open(file).unwrap();
        let age = |seconds: u32| {
            let sql = "UPDATE _stream_records SET created_at = created_at - ?1";
            connection.execute(sql, [seconds]).unwrap();
        };
        let count = || {
            let sql = "SELECT COUNT(*) FROM _stream_records";
            connection.query_row(sql, [], |row| row.get::<_, u32>(0)).unwrap()
        };
        put("a");
        age(86_300);
        put("b");
        assert_eq!(count(), 2);
        age(101);
        put("c");
        assert_eq!(count(), 2);
    }
}
