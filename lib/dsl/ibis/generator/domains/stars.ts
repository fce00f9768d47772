/** Facts with their dimensions, and chains of those, in the notation of `parse.ts`: the fact stands first. */
export const STARS = `
sales_warehouse
  fact_sales sale_key:key product_key>dim_product store_key>dim_store day_key>dim_day buyer_key>dim_buyer units:count(1..60) revenue:money(2..4000)
  dim_product product_key:key brand:word product_group=food|drinks|household|pets list_price:money(1..300)
  dim_store store_key:key store_city:city store_format=express|super|hyper square_metres:real(80..9000)
  dim_day day_key:key calendar_day:date fiscal_quarter=Q1|Q2|Q3|Q4 is_holiday:flag
  dim_buyer buyer_key:key segment=retail|business|online loyalty_points:count(0..9000) joined_on:date
delivery_chain
  consignments consignment_id:key route_id>routes weight_kg:real(0.1..900) handed_over:date
  routes route_id:key hub_id>hubs stop_count:count(2..40) transport=road|rail|air
  hubs hub_id:key district_id>districts docks:count(1..60) automated:flag
  districts district_id:key country_id>countries district_name:city
  countries country_id:key currency=EUR|USD|GBP population:count(100000..90000000)
streaming_plays
  track_plays play_id:key track_id>album_tracks listener_id>listeners device_id>devices seconds_played:count(1..900) played_at:ts
  album_tracks track_id:key album_id>albums track_title:text length_s:real(30..900)
  albums album_id:key artist_id>artists publisher=indie|major|self released:date
  artists artist_id:key artist_name:person genre=rock|jazz|pop|folk
  listeners listener_id:key plan=free|family|premium listener_age:count(13..90)
  devices device_id:key platform=phone|desktop|speaker|car bought_on:date
hospital_stays
  stays stay_id:key patient_id>patients ward_id>wards attending_id>physicians charge:money(40..9000) nights:count(0..60) admitted:date
  patients patient_id:key insurer_id>insurers birth_year:count(1930..2020) blood_group=A|B|AB|O
  insurers insurer_id:key insurer_name:word is_public:flag
  wards ward_id:key floor_no:count(0..12) specialty=surgery|cardiology|pediatrics
  physicians physician_id:key physician_name:person grade=junior|senior|head
exam_results
  exam_results result_id:key exam_id>exams student_id>enrolled score:real(0..100) graded_on:date
  exams exam_id:key course_id>courses max_points:count(20..200) is_oral:flag
  courses course_id:key faculty_id>faculties credits:count(1..12) degree=bachelor|master
  faculties faculty_id:key campus:city founded:date
  enrolled student_id:key intake_year:count(2015..2025) track=full_time|part_time
air_bookings
  bookings booking_id:key flight_id>departures traveller_id>travellers fare:money(30..4000) booked_on:date
  departures flight_id:key aircraft_id>aircraft airport_id>airports departs_at:ts punctuality=on_time|late|cancelled
  aircraft aircraft_id:key airline_id>airlines seats:count(19..500) built:date
  airlines airline_id:key airline_name:word alliance=star|sky|none
  airports airport_id:key airport_city:city runways:count(1..6)
  travellers passenger_id:key tier=blue|silver|gold miles:count(0..900000)
factory_orders
  work_orders work_order_id:key line_id>production_lines item_id>items operator_id>operators pieces:count(1..5000) scrap_rate:real(0..0.3)
  production_lines line_id:key plant_id>plants installed:date line_speed:real(1..90)
  plants plant_id:key plant_city:city energy=grid|solar|gas
  items item_id:key family=bolts|gears|frames unit_cost:money(0.1..900)
  operators operator_id:key operator_name:person shift=early|late|night
ad_delivery
  ad_events event_id:key creative_id>creatives placement_id>placements viewer_id>viewers bid_price:money(0.01..9) clicked:flag shown_at:ts
  creatives creative_id:key campaign_id>ad_campaigns media=banner|video|native landing_url:address
  ad_campaigns campaign_id:key brand_id>brands daily_budget:money(10..9000) starts_on:date
  brands brand_id:key brand_name:word industry=cars|food|travel
  placements placement_id:key page_url:address slot=top|side|bottom
  viewers viewer_id:key viewer_country=US|DE|FR|IN visits:count(1..300)
energy_metering
  meter_readings reading_id:key meter_id>meters tariff_id>tariffs kwh:real(0..90) read_at:ts
  meters meter_id:key premise_id>premises meter_kind=smart|analog fitted_on:date
  premises premise_id:key grid_zone_id>grid_zones occupants:count(1..12)
  grid_zones grid_zone_id:key zone_name=north|south|east|west peak_mw:real(1..900)
  tariffs tariff_id:key unit_price:money(0.05..1) is_green:flag
service_desk
  incidents incident_id:key agent_id>desk_agents asset_id>assets priority=low|normal|high opened_on:date minutes_spent:count(1..900)
  desk_agents agent_id:key team_id>teams agent_name:person languages:count(1..5)
  teams team_id:key office_id>offices team_name:word
  offices office_id:key office_city:city opened_in:count(1990..2024)
  assets asset_id:key asset_kind=laptop|printer|server cost:money(50..9000) bought_on:date
`;

/** No row of the other splits has one of these tables. */
export const STARS_HELD_OUT = `
art_loans
  loaned_works loan_id:key artwork_id>artworks borrower_id>galleries courier_id>art_couriers insured_value:money(100..900000) loaned_on:date
  artworks artwork_id:key painter_id>painters medium=oil|ink|bronze height_cm:real(4..600)
  painters painter_id:key painter_name:person movement=baroque|cubism|romantic
  galleries gallery_id:key gallery_city:city rooms:count(1..60)
  art_couriers courier_id:key cover_limit:money(1000..900000) climate_controlled:flag
`;
