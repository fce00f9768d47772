/** Answers written by hand to queries of many forms, right and wrong ones, each wrong one with its slip. */
import type { Schema } from "../../../dsl/dsl.js";

export const SHOP: Schema = {
  orders: {
    order_id: "int64",
    customer_id: "int64",
    region: "string",
    status: "string",
    amount: "float64",
    quantity: "int64",
    discount: "decimal(12, 2)",
    ordered_at: "timestamp",
    ship_date: "date",
    paid: "boolean",
  },
  customers: { customer_id: "int64", name: "string", city: "string", age: "int64" },
};

export interface BatteryCase {
  gold: string;
  right: string[];
  wrong: [slip: string, sql: string][];
}

export const BATTERY: BatteryCase[] = [
  {
    gold: "SELECT order_id FROM orders WHERE ordered_at >= TIMESTAMP '2021-03-01' + INTERVAL 7 DAY",
    right: [
      "SELECT order_id FROM orders WHERE ordered_at >= TIMESTAMP '2021-03-08'",
      "SELECT order_id FROM orders WHERE ordered_at - INTERVAL '1 week' >= TIMESTAMP '2021-03-01'",
    ],
    wrong: [
      ["constant", "SELECT order_id FROM orders WHERE ordered_at >= TIMESTAMP '2021-03-01' + INTERVAL 8 DAY"],
      [
        "constant",
        "SELECT order_id FROM orders WHERE ordered_at >= TIMESTAMP '2021-03-01' + INTERVAL 7 MONTH",
      ],
      [
        "arithmetic",
        "SELECT order_id FROM orders WHERE ordered_at >= TIMESTAMP '2021-03-01' - INTERVAL 7 DAY",
      ],
    ],
  },
  {
    gold: "SELECT order_id FROM orders WHERE ship_date + INTERVAL 2 MONTH < MAKE_DATE(2022, 6, 30)",
    right: ["SELECT order_id FROM orders WHERE ship_date + INTERVAL '2' MONTH < DATE '2022-06-30'"],
    wrong: [
      ["constant", "SELECT order_id FROM orders WHERE ship_date + INTERVAL 3 MONTH < DATE '2022-06-30'"],
      ["comparator", "SELECT order_id FROM orders WHERE ship_date + INTERVAL 2 MONTH <= DATE '2022-06-30'"],
    ],
  },
  {
    gold: "SELECT region, SUM(amount) AS total FROM orders WHERE status = 'paid' AND quantity > 5 GROUP BY region",
    right: [
      "SELECT region, SUM(amount) AS total FROM orders WHERE quantity > 5 AND status = 'paid' GROUP BY region",
      "SELECT o.region AS r, SUM(o.amount) AS s FROM orders AS o WHERE o.status = 'paid' AND o.quantity >= 6 GROUP BY o.region",
      "WITH kept AS (SELECT * FROM orders WHERE status = 'paid') SELECT region, SUM(amount) AS total FROM kept WHERE quantity > 5 GROUP BY 1",
      "SELECT region, SUM(amount) AS total FROM (SELECT region, amount FROM orders WHERE NOT (quantity <= 5) AND status IN ('paid')) GROUP BY region",
      "SELECT region, AVG(amount) * COUNT(amount) AS total FROM orders WHERE status = 'paid' AND 5 < quantity GROUP BY ALL",
    ],
    wrong: [
      [
        "constant",
        "SELECT region, SUM(amount) AS total FROM orders WHERE status = 'paid' AND quantity > 6 GROUP BY region",
      ],
      [
        "comparator",
        "SELECT region, SUM(amount) AS total FROM orders WHERE status = 'paid' AND quantity >= 5 GROUP BY region",
      ],
      ["filter", "SELECT region, SUM(amount) AS total FROM orders WHERE status = 'paid' GROUP BY region"],
      [
        "aggregate",
        "SELECT region, AVG(amount) AS total FROM orders WHERE status = 'paid' AND quantity > 5 GROUP BY region",
      ],
      [
        "connective",
        "SELECT region, SUM(amount) AS total FROM orders WHERE status = 'paid' OR quantity > 5 GROUP BY region",
      ],
      [
        "constant",
        "SELECT region, SUM(amount) AS total FROM orders WHERE status = 'Paid' AND quantity > 5 GROUP BY region",
      ],
    ],
  },
  {
    gold: "SELECT c.name, COUNT(*) AS n FROM orders AS o JOIN customers AS c ON o.customer_id = c.customer_id GROUP BY c.name ORDER BY n DESC",
    right: [
      "SELECT name, COUNT(*) AS n FROM orders JOIN customers USING (customer_id) GROUP BY name ORDER BY COUNT(*) DESC",
      "SELECT c.name, COUNT(*) AS n FROM customers AS c INNER JOIN orders AS o ON c.customer_id = o.customer_id GROUP BY c.name ORDER BY 2 DESC",
      "SELECT c.name, COUNT(o.customer_id) AS n FROM orders o, customers c WHERE o.customer_id = c.customer_id GROUP BY c.name ORDER BY n DESC",
      "WITH j AS (SELECT c.name FROM orders o JOIN customers c ON c.customer_id = o.customer_id) SELECT name, COUNT(*) AS cnt FROM j GROUP BY name ORDER BY cnt DESC, name",
      "SELECT * FROM (SELECT c.name, COUNT(*) AS n FROM orders AS o JOIN customers AS c ON o.customer_id = c.customer_id GROUP BY c.name) ORDER BY n DESC NULLS LAST",
    ],
    wrong: [
      [
        "join",
        "SELECT c.name, COUNT(*) AS n FROM orders AS o LEFT JOIN customers AS c ON o.customer_id = c.customer_id GROUP BY c.name ORDER BY n DESC",
      ],
      [
        "join",
        "SELECT c.name, COUNT(*) AS n FROM orders AS o RIGHT JOIN customers AS c ON o.customer_id = c.customer_id GROUP BY c.name ORDER BY n DESC",
      ],
      [
        "order",
        "SELECT c.name, COUNT(*) AS n FROM orders AS o JOIN customers AS c ON o.customer_id = c.customer_id GROUP BY c.name",
      ],
      [
        "order",
        "SELECT c.name, COUNT(*) AS n FROM orders AS o JOIN customers AS c ON o.customer_id = c.customer_id GROUP BY c.name ORDER BY n",
      ],
      [
        "aggregate",
        "SELECT c.name, COUNT(DISTINCT o.order_id) AS n FROM orders AS o JOIN customers AS c ON o.customer_id = c.customer_id GROUP BY c.name ORDER BY n DESC",
      ],
      [
        "column",
        "SELECT c.name, COUNT(*) AS n FROM orders AS o JOIN customers AS c ON o.order_id = c.customer_id GROUP BY c.name ORDER BY n DESC",
      ],
    ],
  },
  {
    gold: "SELECT * FROM orders WHERE amount BETWEEN 10 AND 50 ORDER BY amount DESC LIMIT 5",
    right: [
      "SELECT * FROM orders WHERE amount >= 10 AND amount <= 50 ORDER BY amount DESC LIMIT 5",
      "FROM orders WHERE NOT (amount < 10 OR amount > 50) ORDER BY amount DESC LIMIT 5",
      "WITH t AS (SELECT * FROM orders WHERE amount >= 10) SELECT * FROM t WHERE amount <= 50 ORDER BY amount DESC LIMIT 5",
      "SELECT * FROM (SELECT * FROM orders WHERE amount BETWEEN 10 AND 50) AS k ORDER BY k.amount DESC, k.order_id LIMIT 5",
      "SELECT * FROM orders WHERE 50 >= amount AND 10 <= amount ORDER BY -amount LIMIT 5 OFFSET 0",
    ],
    wrong: [
      ["limit", "SELECT * FROM orders WHERE amount BETWEEN 10 AND 50 ORDER BY amount DESC LIMIT 6"],
      ["limit", "SELECT * FROM orders WHERE amount BETWEEN 10 AND 50 ORDER BY amount DESC"],
      ["comparator", "SELECT * FROM orders WHERE amount > 10 AND amount < 50 ORDER BY amount DESC LIMIT 5"],
      ["order", "SELECT * FROM orders WHERE amount BETWEEN 10 AND 50 ORDER BY amount LIMIT 5"],
      ["order", "SELECT * FROM orders WHERE amount BETWEEN 10 AND 50 LIMIT 5"],
    ],
  },
  {
    gold: "SELECT region, status, MIN(amount) AS low, MAX(amount) AS high FROM orders GROUP BY region, status HAVING COUNT(*) >= 3",
    right: [
      "SELECT region, status, MIN(amount) AS low, MAX(amount) AS high FROM orders GROUP BY status, region HAVING COUNT(*) > 2",
      "SELECT region, status, low, high FROM (SELECT region, status, MIN(amount) AS low, MAX(amount) AS high, COUNT(*) AS n FROM orders GROUP BY 1, 2) WHERE n >= 3",
      "WITH g AS (SELECT region, status, COUNT(*) AS n, MAX(amount) AS b, MIN(amount) AS a FROM orders GROUP BY ALL) SELECT region, status, a, b FROM g WHERE NOT n < 3",
      "SELECT region, status, MIN(amount) AS a, MAX(amount) AS b FROM orders GROUP BY region, status HAVING 3 <= COUNT(*) ORDER BY region",
      "SELECT region, status, -MAX(-amount) AS low, -MIN(-amount) AS high FROM orders GROUP BY region, status HAVING SUM(1) >= 3",
    ],
    wrong: [
      [
        "comparator",
        "SELECT region, status, MIN(amount) AS low, MAX(amount) AS high FROM orders GROUP BY region, status HAVING COUNT(*) > 3",
      ],
      [
        "constant",
        "SELECT region, status, MIN(amount) AS low, MAX(amount) AS high FROM orders GROUP BY region, status HAVING COUNT(*) >= 2",
      ],
      [
        "filter",
        "SELECT region, status, MIN(amount) AS low, MAX(amount) AS high FROM orders GROUP BY region, status",
      ],
      [
        "aggregate",
        "SELECT region, status, MIN(amount) AS low, AVG(amount) AS high FROM orders GROUP BY region, status HAVING COUNT(*) >= 3",
      ],
      [
        "aggregate",
        "SELECT region, status, MIN(amount) AS low, MAX(amount) AS high FROM orders GROUP BY region, status HAVING COUNT(amount) >= 3",
      ],
    ],
  },
  {
    gold: "SELECT DISTINCT city FROM customers WHERE age > 30 OR city IS NULL",
    right: [
      "SELECT DISTINCT city FROM customers WHERE city IS NULL OR age > 30",
      "SELECT city FROM customers WHERE age > 30 OR city IS NULL GROUP BY city",
      "SELECT city FROM customers WHERE age > 30 UNION SELECT city FROM customers WHERE city IS NULL",
      "SELECT DISTINCT c.city AS town FROM customers c WHERE c.age >= 31 OR c.city IS NOT DISTINCT FROM NULL",
      "WITH old AS (SELECT city FROM customers WHERE age > 30 OR city IS NULL) SELECT DISTINCT city FROM old",
    ],
    wrong: [
      ["distinct", "SELECT city FROM customers WHERE age > 30 OR city IS NULL"],
      ["negation", "SELECT DISTINCT city FROM customers WHERE age > 30 OR city IS NOT NULL"],
      ["filter", "SELECT DISTINCT city FROM customers WHERE age > 30"],
      ["connective", "SELECT DISTINCT city FROM customers WHERE age > 30 AND city IS NULL"],
      ["column", "SELECT DISTINCT name FROM customers WHERE age > 30 OR city IS NULL"],
    ],
  },
  {
    gold: "SELECT o.order_id, c.name FROM orders AS o LEFT JOIN customers AS c ON o.customer_id = c.customer_id WHERE o.paid",
    right: [
      "SELECT o.order_id, c.name FROM orders AS o LEFT OUTER JOIN customers AS c ON c.customer_id = o.customer_id WHERE o.paid = true",
      "SELECT o.order_id, c.name FROM customers AS c RIGHT JOIN orders AS o ON o.customer_id = c.customer_id WHERE o.paid",
      "SELECT o.order_id, c.name FROM (SELECT * FROM orders WHERE paid) AS o LEFT JOIN customers AS c USING (customer_id)",
      "WITH p AS (SELECT order_id, customer_id FROM orders WHERE paid IS TRUE) SELECT p.order_id, c.name FROM p LEFT JOIN customers c ON p.customer_id = c.customer_id",
      "SELECT o.order_id AS id, c.name AS who FROM orders o LEFT JOIN customers c ON o.customer_id = c.customer_id WHERE NOT (NOT o.paid)",
    ],
    wrong: [
      [
        "join",
        "SELECT o.order_id, c.name FROM orders AS o JOIN customers AS c ON o.customer_id = c.customer_id WHERE o.paid",
      ],
      [
        "join",
        "SELECT o.order_id, c.name FROM orders AS o FULL JOIN customers AS c ON o.customer_id = c.customer_id AND o.paid",
      ],
      [
        "negation",
        "SELECT o.order_id, c.name FROM orders AS o LEFT JOIN customers AS c ON o.customer_id = c.customer_id WHERE NOT o.paid",
      ],
      [
        "filter",
        "SELECT o.order_id, c.name FROM orders AS o LEFT JOIN customers AS c ON o.customer_id = c.customer_id",
      ],
      [
        "column",
        "SELECT o.order_id, c.city FROM orders AS o LEFT JOIN customers AS c ON o.customer_id = c.customer_id WHERE o.paid",
      ],
    ],
  },
  {
    gold: "SELECT COUNT(DISTINCT customer_id) AS buyers, AVG(quantity) AS typical FROM orders WHERE ship_date >= '2021-03-01'",
    right: [
      "SELECT COUNT(DISTINCT customer_id) AS buyers, AVG(quantity) AS typical FROM orders WHERE ship_date >= DATE '2021-03-01'",
      "SELECT COUNT(DISTINCT o.customer_id), SUM(o.quantity) / COUNT(o.quantity) FROM orders o WHERE o.ship_date > '2021-02-28'",
      "SELECT COUNT(DISTINCT customer_id) AS buyers, AVG(quantity) AS typical FROM (SELECT * FROM orders WHERE NOT ship_date < '2021-03-01')",
      "WITH late AS (SELECT customer_id, quantity FROM orders WHERE '2021-03-01' <= ship_date) SELECT COUNT(DISTINCT customer_id), MEAN(quantity) FROM late",
      "SELECT COUNT(DISTINCT CASE WHEN ship_date >= '2021-03-01' THEN customer_id END) AS buyers, AVG(quantity) FILTER (WHERE ship_date >= '2021-03-01') AS typical FROM orders",
    ],
    wrong: [
      [
        "aggregate",
        "SELECT COUNT(customer_id) AS buyers, AVG(quantity) AS typical FROM orders WHERE ship_date >= '2021-03-01'",
      ],
      [
        "comparator",
        "SELECT COUNT(DISTINCT customer_id) AS buyers, AVG(quantity) AS typical FROM orders WHERE ship_date > '2021-03-01'",
      ],
      [
        "constant",
        "SELECT COUNT(DISTINCT customer_id) AS buyers, AVG(quantity) AS typical FROM orders WHERE ship_date >= '2021-02-28'",
      ],
      [
        "aggregate",
        "SELECT COUNT(DISTINCT customer_id) AS buyers, MEDIAN(quantity) AS typical FROM orders WHERE ship_date >= '2021-03-01'",
      ],
      [
        "column",
        "SELECT COUNT(DISTINCT order_id) AS buyers, AVG(quantity) AS typical FROM orders WHERE ship_date >= '2021-03-01'",
      ],
    ],
  },
  {
    gold: "SELECT region, amount, RANK() OVER (PARTITION BY region ORDER BY amount DESC) AS place FROM orders",
    right: [
      "SELECT o.region, o.amount, RANK() OVER (PARTITION BY o.region ORDER BY o.amount DESC) AS r FROM orders AS o",
      "SELECT region, amount, RANK() OVER w AS place FROM orders WINDOW w AS (PARTITION BY region ORDER BY amount DESC)",
      "WITH t AS (SELECT region, amount FROM orders) SELECT region, amount, RANK() OVER (PARTITION BY region ORDER BY amount DESC NULLS LAST) FROM t",
      "SELECT * FROM (SELECT region, amount, RANK() OVER (PARTITION BY region ORDER BY amount DESC) AS place FROM orders) ORDER BY place",
      "SELECT region, amount, 1 + COUNT(*) OVER (PARTITION BY region ORDER BY amount DESC NULLS LAST RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP) AS place FROM orders",
    ],
    wrong: [
      [
        "function",
        "SELECT region, amount, DENSE_RANK() OVER (PARTITION BY region ORDER BY amount DESC) AS place FROM orders",
      ],
      [
        "function",
        "SELECT region, amount, ROW_NUMBER() OVER (PARTITION BY region ORDER BY amount DESC) AS place FROM orders",
      ],
      ["window", "SELECT region, amount, RANK() OVER (ORDER BY amount DESC) AS place FROM orders"],
      [
        "window",
        "SELECT region, amount, RANK() OVER (PARTITION BY region ORDER BY amount) AS place FROM orders",
      ],
      [
        "window",
        "SELECT region, amount, RANK() OVER (PARTITION BY status ORDER BY amount DESC) AS place FROM orders",
      ],
    ],
  },
  {
    gold: "SELECT name, COALESCE(city, 'unknown') AS town FROM customers WHERE name LIKE 'An%' ORDER BY name, age DESC",
    right: [
      "SELECT name, IFNULL(city, 'unknown') AS town FROM customers WHERE starts_with(name, 'An') ORDER BY name, age DESC",
      "SELECT name, CASE WHEN city IS NULL THEN 'unknown' ELSE city END AS town FROM customers WHERE name LIKE 'An%' ORDER BY name ASC, age DESC NULLS LAST",
      "SELECT c.name, COALESCE(c.city, 'unknown') FROM customers c WHERE LEFT(c.name, 2) = 'An' ORDER BY c.name, c.age DESC",
      "WITH t AS (SELECT * FROM customers WHERE name LIKE 'An%') SELECT name, COALESCE(city, 'unknown') AS town FROM t ORDER BY name, age DESC",
      "SELECT name, COALESCE(city, 'unknown') AS town FROM customers WHERE substr(name, 1, 2) IN ('An') ORDER BY name, age DESC, city",
    ],
    wrong: [
      ["function", "SELECT name, city AS town FROM customers WHERE name LIKE 'An%' ORDER BY name, age DESC"],
      [
        "constant",
        "SELECT name, COALESCE(city, 'none') AS town FROM customers WHERE name LIKE 'An%' ORDER BY name, age DESC",
      ],
      [
        "constant",
        "SELECT name, COALESCE(city, 'unknown') AS town FROM customers WHERE name LIKE '%An%' ORDER BY name, age DESC",
      ],
      [
        "order",
        "SELECT name, COALESCE(city, 'unknown') AS town FROM customers WHERE name LIKE 'An%' ORDER BY name, age",
      ],
      [
        "order",
        "SELECT name, COALESCE(city, 'unknown') AS town FROM customers WHERE name LIKE 'An%' ORDER BY age DESC, name",
      ],
    ],
  },
  {
    gold: "SELECT EXTRACT(YEAR FROM ordered_at) AS y, SUM(quantity * amount) AS revenue FROM orders WHERE discount < 12.5 GROUP BY 1 ORDER BY y",
    right: [
      "SELECT YEAR(ordered_at) AS y, SUM(amount * quantity) AS revenue FROM orders WHERE discount < 12.5 GROUP BY YEAR(ordered_at) ORDER BY YEAR(ordered_at)",
      "SELECT DATE_PART('year', ordered_at) AS y, SUM(quantity * amount) AS revenue FROM orders WHERE NOT discount >= 12.5 GROUP BY 1 ORDER BY 1",
      "WITH t AS (SELECT YEAR(ordered_at) AS y, quantity * amount AS r FROM orders WHERE discount < 12.5) SELECT y, SUM(r) AS revenue FROM t GROUP BY y ORDER BY y",
      "SELECT y, SUM(r) AS revenue FROM (SELECT EXTRACT(YEAR FROM ordered_at) AS y, amount * quantity AS r, discount FROM orders) WHERE 12.5 > discount GROUP BY y ORDER BY y ASC",
      "SELECT CAST(strftime(ordered_at, '%Y') AS INTEGER) AS y, SUM(quantity * amount) AS revenue FROM orders WHERE discount < 12.5 GROUP BY ALL ORDER BY y",
    ],
    wrong: [
      [
        "function",
        "SELECT EXTRACT(MONTH FROM ordered_at) AS y, SUM(quantity * amount) AS revenue FROM orders WHERE discount < 12.5 GROUP BY 1 ORDER BY y",
      ],
      [
        "arithmetic",
        "SELECT EXTRACT(YEAR FROM ordered_at) AS y, SUM(quantity + amount) AS revenue FROM orders WHERE discount < 12.5 GROUP BY 1 ORDER BY y",
      ],
      [
        "arithmetic",
        "SELECT EXTRACT(YEAR FROM ordered_at) AS y, SUM(quantity) * SUM(amount) AS revenue FROM orders WHERE discount < 12.5 GROUP BY 1 ORDER BY y",
      ],
      [
        "comparator",
        "SELECT EXTRACT(YEAR FROM ordered_at) AS y, SUM(quantity * amount) AS revenue FROM orders WHERE discount <= 12.5 GROUP BY 1 ORDER BY y",
      ],
      [
        "constant",
        "SELECT EXTRACT(YEAR FROM ordered_at) AS y, SUM(quantity * amount) AS revenue FROM orders WHERE discount < 12 GROUP BY 1 ORDER BY y",
      ],
    ],
  },
  {
    gold: "SELECT customer_id FROM orders WHERE region IN ('north', 'south') EXCEPT SELECT customer_id FROM customers WHERE age <= 18",
    right: [
      "SELECT DISTINCT customer_id FROM orders WHERE region = 'north' OR region = 'south' EXCEPT SELECT customer_id FROM customers WHERE age <= 18",
      "SELECT customer_id FROM orders WHERE region IN ('south', 'north') EXCEPT SELECT customer_id FROM customers WHERE NOT age > 18",
      "(SELECT customer_id FROM orders WHERE region = 'north' UNION SELECT customer_id FROM orders WHERE region = 'south') EXCEPT SELECT customer_id FROM customers WHERE age <= 18",
      "SELECT DISTINCT o.customer_id FROM orders o WHERE o.region IN ('north', 'south') AND NOT EXISTS (SELECT 1 FROM customers c WHERE c.age <= 18 AND c.customer_id IS NOT DISTINCT FROM o.customer_id)",
      "WITH young AS (SELECT customer_id FROM customers WHERE age < 19) SELECT customer_id FROM orders WHERE region IN ('north', 'south') EXCEPT SELECT customer_id FROM young",
    ],
    wrong: [
      [
        "constant",
        "SELECT customer_id FROM orders WHERE region IN ('north') EXCEPT SELECT customer_id FROM customers WHERE age <= 18",
      ],
      [
        "function",
        "SELECT customer_id FROM orders WHERE region IN ('north', 'south') INTERSECT SELECT customer_id FROM customers WHERE age <= 18",
      ],
      [
        "distinct",
        "SELECT customer_id FROM orders WHERE region IN ('north', 'south') EXCEPT ALL SELECT customer_id FROM customers WHERE age <= 18",
      ],
      [
        "comparator",
        "SELECT customer_id FROM orders WHERE region IN ('north', 'south') EXCEPT SELECT customer_id FROM customers WHERE age < 18",
      ],
    ],
  },
  {
    gold: "SELECT status, COUNT(*) AS n FROM orders GROUP BY status ORDER BY n DESC LIMIT 3",
    right: [
      "SELECT status, COUNT(*) AS n FROM orders GROUP BY status ORDER BY COUNT(*) DESC LIMIT 3",
      "SELECT status, COUNT(1) AS cnt FROM orders GROUP BY 1 ORDER BY 2 DESC LIMIT 3",
      "WITH g AS (SELECT status, COUNT(*) AS n FROM orders GROUP BY status) SELECT * FROM g ORDER BY n DESC, status LIMIT 3",
      "SELECT o.status, SUM(1) AS n FROM orders o GROUP BY o.status ORDER BY n DESC FETCH FIRST 3 ROWS ONLY",
      "SELECT status, n FROM (SELECT status, COUNT(*) AS n, ROW_NUMBER() OVER (ORDER BY COUNT(*) DESC) AS r FROM orders GROUP BY status) WHERE r <= 3 ORDER BY r",
    ],
    wrong: [
      ["limit", "SELECT status, COUNT(*) AS n FROM orders GROUP BY status ORDER BY n DESC LIMIT 4"],
      ["order", "SELECT status, COUNT(*) AS n FROM orders GROUP BY status ORDER BY n LIMIT 3"],
      ["order", "SELECT status, COUNT(*) AS n FROM orders GROUP BY status ORDER BY status LIMIT 3"],
      ["aggregate", "SELECT status, COUNT(status) AS n FROM orders GROUP BY status ORDER BY n DESC LIMIT 3"],
    ],
  },
  {
    gold: "SELECT region, SUM(quantity) AS total FROM orders GROUP BY region HAVING SUM(quantity) = 530",
    right: [
      "SELECT region, total FROM (SELECT region, SUM(quantity) AS total FROM orders GROUP BY region) WHERE total = 530",
      "select o.region, sum(o.quantity) total from orders o group by all having total in (530) -- lower case",
    ],
    wrong: [
      [
        "aggregate",
        "SELECT region, AVG(quantity) AS total FROM orders GROUP BY region HAVING SUM(quantity) = 530",
      ],
      [
        "aggregate",
        "SELECT region, MAX(quantity) AS total FROM orders GROUP BY region HAVING SUM(quantity) = 530",
      ],
      [
        "aggregate",
        "SELECT region, SUM(quantity) AS total FROM orders GROUP BY region HAVING MAX(quantity) = 530",
      ],
    ],
  },
  {
    gold: "SELECT city, AVG(age) AS typical FROM customers GROUP BY city ORDER BY typical DESC",
    right: [
      "SELECT city, AVG(age) AS typical FROM customers GROUP BY city ORDER BY AVG(age) DESC NULLS LAST",
    ],
    wrong: [
      [
        "order",
        "SELECT city, AVG(age) AS typical FROM customers GROUP BY city ORDER BY typical DESC NULLS FIRST",
      ],
      ["aggregate", "SELECT city, MEDIAN(age) AS typical FROM customers GROUP BY city ORDER BY typical DESC"],
    ],
  },
  {
    gold: "SELECT name, city FROM customers WHERE age IS NULL ORDER BY city DESC",
    right: ["SELECT name, city FROM customers WHERE NOT age IS NOT NULL ORDER BY city DESC NULLS LAST"],
    wrong: [
      ["order", "SELECT name, city FROM customers WHERE age IS NULL ORDER BY city DESC NULLS FIRST"],
      ["negation", "SELECT name, city FROM customers WHERE age IS NOT NULL ORDER BY city DESC"],
    ],
  },
  {
    gold: "SELECT MAX(amount) AS top FROM orders WHERE amount >= 23000",
    right: ["SELECT amount AS top FROM (SELECT MAX(amount) AS amount FROM orders WHERE NOT amount < 23000)"],
    wrong: [
      ["filter", "SELECT MAX(amount) AS top FROM orders"],
      ["constant", "SELECT MAX(amount) AS top FROM orders WHERE amount >= 22999"],
    ],
  },
  {
    gold: "SELECT order_id, status FROM orders WHERE ship_date IS NULL AND status <> 'open' AND amount BETWEEN 330 AND 970",
    right: [
      "SELECT order_id, status FROM orders WHERE amount >= 330 AND amount <= 970 AND NOT status = 'open' AND ship_date IS NULL",
    ],
    wrong: [
      [
        "constant",
        "SELECT order_id, status FROM orders WHERE ship_date IS NULL AND status <> 'open' AND amount BETWEEN 330 AND 971",
      ],
      ["filter", "SELECT order_id, status FROM orders WHERE status <> 'open' AND amount BETWEEN 330 AND 970"],
      [
        "filter",
        "SELECT order_id, status FROM orders WHERE ship_date IS NULL AND amount BETWEEN 330 AND 970",
      ],
    ],
  },
  {
    gold: "SELECT c.name FROM customers AS c WHERE EXISTS (SELECT 1 FROM orders AS o WHERE o.customer_id = c.customer_id AND o.amount > 100)",
    right: [
      "SELECT name FROM customers WHERE customer_id IN (SELECT customer_id FROM orders WHERE amount > 100)",
      "SELECT c.name FROM customers c SEMI JOIN (SELECT * FROM orders WHERE amount > 100) AS o USING (customer_id)",
    ],
    wrong: [
      [
        "join",
        "SELECT c.name FROM customers AS c JOIN orders AS o ON o.customer_id = c.customer_id AND o.amount > 100",
      ],
      [
        "negation",
        "SELECT c.name FROM customers AS c WHERE NOT EXISTS (SELECT 1 FROM orders AS o WHERE o.customer_id = c.customer_id AND o.amount > 100)",
      ],
      ["filter", "SELECT name FROM customers WHERE customer_id IN (SELECT customer_id FROM orders)"],
    ],
  },
  {
    gold: "SELECT region, order_id FROM orders QUALIFY RANK() OVER (PARTITION BY region ORDER BY amount DESC) = 1",
    right: [
      "SELECT region, order_id FROM (SELECT *, RANK() OVER (PARTITION BY region ORDER BY amount DESC) AS r FROM orders) WHERE r = 1",
    ],
    wrong: [
      [
        "function",
        "SELECT region, order_id FROM orders QUALIFY ROW_NUMBER() OVER (PARTITION BY region ORDER BY amount DESC) = 1",
      ],
      ["window", "SELECT region, order_id FROM orders QUALIFY RANK() OVER (ORDER BY amount DESC) = 1"],
      [
        "constant",
        "SELECT region, order_id FROM orders QUALIFY RANK() OVER (PARTITION BY region ORDER BY amount DESC) <= 2",
      ],
    ],
  },
];

/** Answers that never change: the table's own name, as a program and as SQL, and what takes nothing of the question. */
export const CONSTANTS = [
  ...["orders", "customers", "t", "FROM orders", "SELECT * FROM orders", "SELECT * FROM customers"],
  ...[
    "SELECT * FROM t",
    "SELECT DISTINCT * FROM orders",
    "SELECT COUNT(*) FROM orders",
    "SELECT 1",
    "SELECT NULL",
  ],
];
