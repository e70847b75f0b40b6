/*
 * test/drivers/Views.java: what a BI tool sees through pgJDBC of the views of schema handoff (Metabase, Tableau, Looker ask
 * for it like this): DatabaseMetaData of each view named, and its first rows.
 *
 * Lines as test/drivers/lines.py has them; of a column also the class that its values come as.
 */
import java.io.*;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.sql.*;
import java.time.*;
import java.time.format.DateTimeFormatter;

public class Views
{
	static final DateTimeFormatter INSTANT = DateTimeFormatter.ofPattern("uuuu-MM-dd HH:mm:ss.SSSSSS");

	static final PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);

	static void line(String... words)
	{
		StringBuilder line = new StringBuilder();

		for (String word : words)
			line.append(line.length() == 0 ? "" : "\t")
				.append(word == null ? "\\N" : word.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n"));
		out.println(line);
	}

	/* A value as it is, whatever a driver would print of it. */
	static String text(ResultSet rows, int i, boolean isInstant) throws SQLException
	{
		Object value = isInstant ? rows.getObject(i, OffsetDateTime.class) : rows.getObject(i);

		if (value == null)
			return null;
		if (value instanceof OffsetDateTime)
			return ((OffsetDateTime) value).withOffsetSameInstant(ZoneOffset.UTC).format(INSTANT);
		if (value instanceof BigDecimal && ((BigDecimal) value).signum() == 0)
			return "0";
		return value instanceof BigDecimal ? ((BigDecimal) value).stripTrailingZeros().toPlainString() : value.toString();
	}

	static String[] columns(DatabaseMetaData meta, String view) throws SQLException
	{
		StringBuilder types = new StringBuilder();

		try (ResultSet column = meta.getColumns(null, "handoff", view, "%"))
		{
			while (column.next())
			{
				line("column", view, column.getString("ORDINAL_POSITION"), column.getString("COLUMN_NAME"),
					 column.getString("TYPE_NAME") + " " + column.getInt("DATA_TYPE"),
					 column.getInt("NULLABLE") == DatabaseMetaData.columnNullable ? "null" : "not null",
					 column.getString("REMARKS"));
				types.append(column.getString("TYPE_NAME")).append(' ');
			}
		}
		return types.toString().trim().split(" ");
	}

	static void rows(Connection connection, String view, String[] types) throws SQLException
	{
		try (Statement statement = connection.createStatement();
			 ResultSet rows = statement.executeQuery("select * from handoff." + view + " v order by v::text collate \"C\" limit 20"))
		{
			ResultSetMetaData meta = rows.getMetaData();

			for (int i = 1; i <= meta.getColumnCount(); i++)
				line("value", view, meta.getColumnName(i), meta.getColumnClassName(i));
			while (rows.next())
			{
				String[] words = new String[types.length + 2];

				words[0] = "row";
				words[1] = view;
				for (int i = 1; i <= types.length; i++)
					words[i + 1] = text(rows, i, types[i - 1].equals("timestamptz"));
				line(words);
			}
		}
	}

	/* arguments: host, port, database, role, password, views */
	public static void main(String[] args) throws SQLException
	{
		try (Connection connection = DriverManager.getConnection("jdbc:postgresql://" + args[0] + ":" + args[1] + "/" + args[2], args[3], args[4]))
		{
			DatabaseMetaData meta = connection.getMetaData();

			try (ResultSet table = meta.getTables(null, "handoff", "%", new String[] {"VIEW"}))
			{
				while (table.next())
					line("view", table.getString("TABLE_NAME"), table.getString("REMARKS"));
			}
			for (int i = 5; i < args.length; i++)
				rows(connection, args[i], columns(meta, args[i]));
		}
	}
}
