-- Shipments that stand, in base units and in the terms of the planning grain.
--
-- From:  shipment_versions   accepted rows of raw.erp_shipments, all versions of a line or none
--        places              location_code, customer_code: the customer that a ship-to location belongs to
--        unit_factors        see unit_factors.sql
-- base_quantity is null where the unit cannot be converted: such a shipment is in no cell, and a check counts it.
WITH latest AS (
    SELECT *
    FROM shipment_versions
    QUALIFY ROW_NUMBER() OVER (
        PARTITION BY shipment_id, shipment_line
        ORDER BY changed_at DESC, change_seq DESC, known_at DESC, object_name DESC, line DESC, object_id DESC
    ) = 1
)

SELECT
    s.shipment_id,
    s.shipment_line,
    s.item_code,
    COALESCE($ship_location, 'UNKNOWN') AS location_code,
    COALESCE($ship_channel, 'ALL') AS channel_code,
    s.ship_date,
    s.quantity,
    s.uom_code,
    CASE
        WHEN f.factor = 1 THEN s.quantity
        WHEN f.factor > 0 THEN TRY_CAST(CAST(s.quantity AS DECIMAL(19, 4)) * f.factor AS DECIMAL(18, 4))
    END AS base_quantity
FROM latest AS s
LEFT JOIN places AS p ON p.location_code = s.location_code
LEFT JOIN unit_factors AS f
    ON f.item_code = s.item_code
    AND f.uom_code = COALESCE(s.uom_code, $missing_uom)
    AND s.ship_date >= f.valid_from_date
    AND s.ship_date < f.valid_to_date
WHERE s.op <> 'D'
