/**
 * The vocabulary of random schemas. A column is `name:kind`, or `name:kind=a|b|c` where the literals of a string
 * column should be plausible. The last domains are held out for the unseen-schema split.
 */
export interface DomainWords {
  name: string;
  tables: { name: string; columns: string[] }[];
}

const domain = (name: string, tables: Record<string, string>): DomainWords => ({
  name,
  tables: Object.entries(tables).map(([table, columns]) => ({ name: table, columns: columns.split(/\s+/) })),
});

export const DOMAINS: readonly DomainWords[] = [
  domain("retail", {
    orders: `order_id:int customer_id:int status:str=open|shipped|closed|returned region:str=north|south|east|west
      amount:float quantity:int discount:float ordered_at:timestamp ship_date:date is_gift:bool price:decimal`,
    customers: `customer_id:int name:str city:str country:str=US|DE|FR|IN segment:str=retail|business|online
      age:int balance:float signup_date:date active:bool`,
    products: `product_id:int category:str=toys|books|food|garden brand:str price:float stock:int weight:float
      launched:date discontinued:bool`,
  }),
  domain("flights", {
    flights: `flight_id:int carrier:str=AA|DL|UA|LH origin:str=JFK|LAX|ORD|FRA dest:str=SEA|BOS|ATL|MUC delay:int
      distance:float air_time:int departed_at:timestamp flight_date:date cancelled:bool fare:decimal`,
    airports: `airport_id:int code:str city:str country:str=US|DE|FR|IN latitude:float elevation:int`,
  }),
  domain("school", {
    students: `student_id:int name:str major:str=math|physics|art|law gpa:float year:int credits:int
      enrolled:date graduated:bool`,
    grades: `student_id:int course_id:int score:float letter:str=A|B|C|D term:str=fall|spring|summer graded_at:timestamp`,
    courses: `course_id:int title:str department:str=math|physics|art|law credits:int fee:decimal capacity:int`,
  }),
  domain("web", {
    events: `event_id:int user_id:int event_type:str=click|view|login|purchase page:str duration:float
      created_at:timestamp device:str=mobile|desktop|tablet is_bot:bool`,
    users: `user_id:int username:str email:str plan:str=free|pro|team country:str=US|DE|FR|IN joined:date
      karma:int verified:bool`,
    sessions: `session_id:int user_id:int browser:str=chrome|firefox|safari started_at:timestamp seconds:int
      bytes:int bounced:bool`,
  }),
  domain("bank", {
    accounts: `account_id:int owner:str kind:str=checking|savings|loan balance:float opened:date closed:bool
      branch:str rate:float`,
    transactions: `tx_id:int account_id:int amount:float currency:str=USD|EUR|GBP|JPY merchant:str posted_at:timestamp
      fee:decimal flagged:bool channel:str=card|wire|cash`,
  }),
  domain("hr", {
    employees: `employee_id:int name:str department:str=sales|finance|legal|support title:str salary:float
      bonus:float hired:date remote:bool level:int`,
    leaves: `leave_id:int employee_id:int reason:str=sick|holiday|family days:int start_date:date approved:bool`,
  }),
  domain("sensors", {
    readings: `sensor_id:int value:float unit:str=C|F|K taken_at:timestamp valid:bool battery:int humidity:float`,
    devices: `sensor_id:int model:str site:str=roof|lab|hall firmware:str installed:date cost:decimal depth:int`,
  }),
  domain("movies", {
    movies: `movie_id:int title:str genre:str=drama|comedy|action|horror rating:float votes:int budget:float
      runtime:int released:date language:str=en|fr|de|hi`,
    reviews: `review_id:int movie_id:int stars:int body:str written_at:timestamp helpful:int spoiler:bool`,
  }),
  domain("sport", {
    matches: `match_id:int team:str opponent:str goals:int shots:int possession:float played_on:date home:bool
      venue:str season:int`,
    players: `player_id:int name:str team:str position:str=goalkeeper|defender|forward height:float age:int value:decimal`,
  }),
  domain("energy", {
    meters: `meter_id:int zone:str=A|B|C|D kwh:float voltage:float peak:float read_at:timestamp smart:bool`,
    plants: `plant_id:int fuel:str=gas|coal|wind|solar capacity:float output:float built:date operator:str online:bool`,
  }),
  domain("hospital", {
    patients: `patient_id:int name:str gender:str=F|M blood_type:str=A|B|O weight:float birth_date:date insured:bool`,
    visits: `visit_id:int patient_id:int ward:str=surgery|cardiology|pediatrics cost:float nights:int
      admitted_at:timestamp emergency:bool`,
  }),
  domain("logistics", {
    shipments: `shipment_id:int carrier:str=ups|dhl|fedex weight:float volume:float cost:float sent_on:date
      arrived_at:timestamp late:bool priority:int`,
    warehouses: `warehouse_id:int city:str state:str=CA|TX|NY|WA capacity:int rent:decimal opened:date automated:bool`,
  }),
];

/** Held out: no row of the other splits has one of these tables. */
export const HELD_OUT_DOMAINS: readonly DomainWords[] = [
  domain("library", {
    books: `book_id:int author:str subject:str=history|poetry|science pages:int copies:int rating:float
      published:date lent:bool`,
    loans: `loan_id:int book_id:int member:str due_date:date fine:float days_late:int returned:bool`,
  }),
  domain("farming", {
    fields: `field_id:int crop:str=wheat|corn|barley hectares:float yield_tons:float moisture:float planted:date
      irrigated:bool`,
    harvests: `harvest_id:int field_id:int tons:float price:decimal crew:int harvested_at:timestamp grade:str=A|B|C`,
  }),
];

/** Names that people give to a table whose name says nothing. */
export const PLAIN_TABLE_NAMES: readonly string[] = ["df", "t", "data", "records"];

/** Columns that any table may have besides its own. */
export const COMMON_COLUMNS: readonly string[] = [
  "id:int",
  "name:str",
  "category:str=a|b|c",
  "type:str=x|y|z",
  "value:float",
  "price:float",
  "count_total:int",
  "score:float",
  "date:date",
  "updated_at:timestamp",
  "enabled:bool",
  "notes:str",
  "group_name:str",
  "x:float",
  "y:int",
];

/** Literals for string columns that name none. */
export const PLAIN_STRINGS: readonly string[] = [
  "alpha",
  "beta",
  "gamma",
  "north",
  "Smith",
  "Paris",
  "blue",
  "new",
  "old",
  "gold",
  "main",
  "test",
  "core",
  "acme",
];

/** Short pieces for prefix, suffix and pattern arguments. */
export const PIECES: readonly string[] = ["a", "an", "b", "co", "e", "in", "m", "pre", "s", "st", "un", "x"];
